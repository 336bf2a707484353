"""Hints speak of Python, ``optimize="ram"``, as most of skosh does; in a shell they speak of options, ``--optimize ram``."""

from __future__ import annotations

import re

OPTIONS = {
    "optimize": "--optimize", "target": "--target", "name": "--name", "max_ram": "--max-ram", "max_flash": "--max-flash",
    "scheme": "--scheme", "calibration": "--calibration", "layout": "--layout", "output": "--gives", "query": "--query",
    "evidence": "--evidence", "budget": "--budget", "samples": "--samples", "shapes": "--shape", "labels": "--labels",
    "device": "--device", "link": "--link",
}  # fmt: skip
"""A keyword of Python, and the option that says the same."""

FLAGS = {"trust_pickle": "--trust-pickle", "search": "--search"}
"""Keywords that are True where the option stands."""

LOADING = (
    "missing", "joint", "arithmetic", "length", "attributes", "values", "lag", "features", "interface",
)  # fmt: skip
"""Options of ``skosh.load`` that have no option of their own: --load KEY=VALUE."""

VALUE = r"""("[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\w+(?:\.\w+)?)"""
KEYWORD = re.compile(rf"""(?<![\w.])(?<!\w\()\b({"|".join([*OPTIONS, *FLAGS, *LOADING])})={VALUE}""")
CALL = re.compile(
    rf"""(?:skosh\.)?load\((?:[\w.]+|\.\.\.), *((?:{"|".join([*OPTIONS, *FLAGS, *LOADING])})={VALUE})\)"""
)


def in_shell(text: str) -> str:
    """A letter as it helps whoever types commands."""
    return KEYWORD.sub(lambda found: _option(found[1], found[2]), CALL.sub(lambda found: found[1], text))


def _option(key: str, value: str) -> str:
    if key in FLAGS:
        return FLAGS[key] if value == "True" else f"no {FLAGS[key]}"
    if key in LOADING:
        plain = value.strip("\"'")
        return f"--load {key}={plain}"
    if value.startswith("{"):
        pairs = re.findall(r"""["']([^"']*)["']: *[(\[]([^)\]]*)[)\]]""", value)
        return " ".join(f"{OPTIONS[key]} {name}={sizes.replace(' ', '').rstrip(',')}" for name, sizes in pairs)
    words = [w.strip(" \"'") for w in value.strip("[]").split(",")]
    return " ".join(f"{OPTIONS[key]} {word}" for word in words)
