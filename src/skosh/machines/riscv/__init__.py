"""RISC-V: RV32IMC, and RV64 with vectors."""
