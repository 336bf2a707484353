"""64-bit Arm with NEON or SVE."""
