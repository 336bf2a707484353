"""What is looked at when a kernel is defined: races of par loops, and places outside buffers."""
