"""Custom function units: instructions of our own beside a RISC-V core, and the forms of layers that use them."""
