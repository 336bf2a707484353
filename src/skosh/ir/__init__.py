"""Floor 1: the two languages, Graph and Kernel, as frozen data; their text forms, checks and interpreters."""
