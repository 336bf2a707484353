"""x86-64 with SSE4.1, AVX2 or AVX-512."""
