"""``python -m skosh.cli``."""

from skosh.cli import main

main()
