"""Locals of emitted C that one block declares twice, which no compiler takes: found in the text, at no compiler's cost."""

from __future__ import annotations

import re

_DECLARES = re.compile(r"^\s*(?:const )?(?:u?int(?:8|16|32|64)_t|float|double|bool) \*?(\w+)(?:\[[^\]]*\])? *(?:=|;)")


def declared_twice(source: str) -> list[str]:
    """"line: name" of each. Branches of #if and #else are alternatives, each seen with what is before it."""
    scopes: list[set[str]] = [set()]
    before: list[list[set[str]]] = []  # the scopes where an #if began
    after: list[list[set[str]]] = []  # those that its branches so far leave
    found = []
    for number, line in enumerate(source.splitlines(), start=1):
        if line.startswith("#if"):
            before.append([set(s) for s in scopes])
            after.append([])
        elif line.startswith(("#else", "#elif")):
            after[-1] = _joined(after[-1], scopes)
            scopes = [set(s) for s in before[-1]]
        elif line.startswith("#endif"):
            scopes = _joined(after.pop(), scopes)
            before.pop()
        elif match := _DECLARES.match(line):
            if match[1] in scopes[-1]:
                found.append(f"{number}: {match[1]}")
            scopes[-1].add(match[1])
        else:
            closing = line.lstrip().startswith("}")
            for _ in range(line.count("}") if closing else max(line.count("}") - line.count("{"), 0)):
                if len(scopes) > 1:
                    scopes.pop()
            opened = line.count("{") if closing else max(line.count("{") - line.count("}"), 0)
            scopes += [set() for _ in range(opened)]
    return found


def _joined(one: list[set[str]], other: list[set[str]]) -> list[set[str]]:
    return [a | b for a, b in zip(one, other, strict=False)] + other[len(one) :] if one else other
