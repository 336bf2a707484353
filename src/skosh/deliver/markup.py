"""HTML and SVG that can't be broken by what it shows: text is escaped unless it was made by these functions."""

from __future__ import annotations

from html import escape

from skosh.base.text import plain_lines


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


Content = str | int | Markup | None
"""What may stand inside an element. None is nothing; a plain string is text."""

VOID = frozenset({"meta", "rect", "path", "circle"})


def el(tag: str, /, *content: Content, **attributes: str | int | float | None) -> Markup:
    """An element. Attributes: ``class_`` is class, other underscores are hyphens; None leaves one out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(plain_lines(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Markup(f"<{tag}{shown}/>")
    return Markup(f"<{tag}{shown}>{join(*content)}</{tag}>")


def join(*content: Content, by: str = "") -> Markup:
    """Pieces one after the other, text escaped."""
    parts = [c if isinstance(c, Markup) else escape(plain_lines(str(c))) for c in content if c is not None]
    return Markup(escape(by).join(parts))


def number(value: float | None, unit: str = "") -> str:
    """``12,275 bytes``; a dash for what isn't known. Fractions get three digits."""
    if value is None:
        return "–"
    text = f"{int(value):,}" if float(value).is_integer() else f"{value:,.3g}"
    return f"{text} {unit}" if unit else text


def percent(fraction: float, digits: int = 1) -> str:
    return f"{100 * fraction:.{digits}f} %"
