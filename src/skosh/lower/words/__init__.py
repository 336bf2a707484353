"""Forms for machines with 32-bit registers and nothing smaller: Cortex-M0+, RV32IMC."""
