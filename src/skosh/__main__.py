"""``python -m skosh``."""

from importlib import import_module

import_module("skosh.cli").main()  # above this floor, so found by name
