"""BIF files: the Bayesian Interchange Format 0.15, as bnlearn, JavaBayes and pgmpy write it. Nothing in a file is ever run.

    network asia {}
    variable tub { type discrete [2] { yes, no }; }
    probability (tub | asia) { (yes) 0.05, 0.95; (no) 0.01, 0.99; }

A ``table`` counts the variable itself slowest, then its parents from left to right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from skosh.base.errors import Loc, ModelError
from skosh.base.files import read_text
from skosh.importers.pgm.network import Factor, Network
from skosh.importers.pgm.pgmpy import answered
from skosh.importers.pgm.query import LARGEST_FACTOR
from skosh.ir.graph import Array, Graph

TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|(?P<token>"[^"]*"|[{}()\[\]|,;]|[^\s{}()\[\]|,;"]+)', re.DOTALL)
END = ""
SIGNS = frozenset("{}()[]|,;")


def load(source: Any, name: str | None = None, query: Any = None, evidence: Any = None, **options: Any) -> Graph:
    """A Graph from a BIF file; the options of a query are those of pgmpy's networks, see ``pgmpy.load``."""
    path = Path(source)
    return answered(read_bif(text_of(path), path.name, name or path.stem), query, evidence, **options)


def text_of(path: Path) -> str:
    """The text of a file; an InputError when it can't be read, a ModelError when it is no text."""
    try:
        return read_text(path)
    except UnicodeDecodeError as error:
        raise ModelError("must be text in UTF-8", loc=Loc(path.name)) from error


def read_bif(text: str, file: str, name: str) -> Network:
    """The network in the text of a file, not yet checked. ModelError, with the line, where the text is no BIF."""
    return _Reader(text, file).network(name)


@dataclass(frozen=True)
class _Token:
    text: str
    line: int
    quoted: bool = False


class _Reader:
    """Tokens and the grammar, one method a rule."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.tokens = [*_tokens(text, file), _Token(END, text.count("\n") + 1)]
        self.at = 0
        self.states: dict[str, tuple[str, ...]] = {}
        self.factors: list[Factor] = []

    def network(self, name: str) -> Network:
        while self.peek() != END:
            match word := self.name("network, variable or probability"):
                case "network":
                    self.block_skipped()
                case "variable":
                    self.variable()
                case "probability":
                    self.probability()
                case _:
                    self.fail(f'here must be network, variable or probability, not "{word}"', back=1)
        if not self.states:
            self.fail("there must be at least one variable")
        return Network(name, self.states, tuple(self.factors), True, Loc(self.file))

    def variable(self) -> None:
        """variable NAME { type discrete [N] { STATE, ... }; property ...; }"""
        name = self.name("a variable's name")
        if name in self.states:
            self.fail(f'variable "{name}" must be declared once', back=1)
        self.take("{")
        states: tuple[str, ...] | None = None
        while not self.found("}"):
            word = self.name("type or property")
            if word == "property":
                self.property_skipped()
            elif word == "type":
                states = self.discrete()
            else:
                self.fail(f'here must be type or property, not "{word}"', back=1)
        if states is None:
            self.fail(f'variable "{name}" must have a type', back=1)
        self.states[name] = states

    def discrete(self) -> tuple[str, ...]:
        kind = self.name("discrete")
        if kind != "discrete":
            self.fail(f'a variable\'s type must be discrete, not "{kind}"', back=1)
        self.take("[")
        count = self.name("the number of states")
        self.take("]")
        self.take("{")
        states = [self.name("a state's name")]
        while not self.found("}"):
            self.found(",")
            states.append(self.name("a state's name"))
        self.found(";")
        if count != str(len(states)):
            self.fail(f"there must be {count} states, not {len(states)}", back=1)
        return tuple(states)

    def probability(self) -> None:
        """probability ( NAME | NAME, ... ) { table ...; (STATE, ...) ...; default ...; }"""
        self.take("(")
        scope = [self.known_variable()]
        if self.found("|"):
            scope.append(self.known_variable())
        while not self.found(")"):
            self.found(",")
            scope.append(self.known_variable())
        shape = tuple(len(self.states[v]) for v in scope)
        if (elements := int(np.prod(shape, dtype=object))) > LARGEST_FACTOR:
            self.fail(f"a distribution must have at most {LARGEST_FACTOR:,} numbers, not {elements:,}", back=1)
        values = np.full(shape, np.nan)
        self.take("{")
        while not self.found("}"):
            if self.found("("):
                row = self.row(scope)
                at: tuple[Any, ...] = (slice(None), *row)
                values[at] = self.numbers(shape[0])
                continue
            match word := self.name("table, default, property or a row"):
                case "table":
                    values[...] = self.numbers(elements).reshape(shape)
                case "default":
                    gaps = np.isnan(values[0])
                    values[:, gaps] = self.numbers(shape[0])[:, None]
                case "property":
                    self.property_skipped()
                case _:
                    self.fail(f'here must be table, default, property or a row in parentheses, not "{word}"', back=1)
        if np.isnan(values).any():
            missing = np.argwhere(np.isnan(values[0]))[0]
            given = ", ".join(self.states[v][i] for v, i in zip(scope[1:], missing, strict=True))
            self.fail(f'the distribution of "{scope[0]}" must have a row for ({given})', back=1)
        self.factors.append(Factor(tuple(scope), values))

    def row(self, scope: list[str]) -> tuple[int, ...]:
        """STATE, ... ): the places of the parents' states."""
        found: list[int] = []
        for v in scope[1:]:
            self.found(",")
            state = self.name(f'a state of "{v}"')
            if state not in self.states[v]:
                self.fail(f'"{v}" must have a state "{state}"; it has {", ".join(self.states[v])}', back=1)
            found.append(self.states[v].index(state))
        self.take(")")
        return tuple(found)

    def numbers(self, count: int) -> Array:
        """NUMBER, ... ;"""
        values: list[float] = []
        while not self.found(";"):
            self.found(",")
            word = self.name("a number")
            try:
                values.append(float(word))
            except ValueError:
                self.fail(f'here must be a number, not "{word}"', back=1)
        if len(values) != count:
            self.fail(f"here must be {count} numbers, not {len(values)}", back=1)
        made = np.asarray(values, np.float64)
        if not np.isfinite(made).all():
            self.fail("numbers must be finite", back=1)
        return made

    def known_variable(self) -> str:
        name = self.name("a variable's name")
        if name not in self.states:
            self.fail(f'variable "{name}" must be declared before it is used', back=1)
        return name

    # ---------------------------------------------------------------------------------------------------------- tokens

    def block_skipped(self) -> None:
        """NAME? { property ...; }"""
        while not self.found("{"):
            self.name("a name or {")
        while not self.found("}"):
            word = self.name("property")
            if word != "property":
                self.fail(f'here must be property, not "{word}"', back=1)
            self.property_skipped()

    def property_skipped(self) -> None:
        while not self.found(";"):
            if self.peek() == END:
                self.fail("a property must end with ;")
            self.at += 1

    def peek(self) -> str:
        return self.tokens[self.at].text

    def found(self, sign: str) -> bool:
        """Is the next token this sign? Then it is taken."""
        token = self.tokens[self.at]
        here = token.text == sign and not token.quoted
        self.at += here
        return here

    def take(self, sign: str) -> None:
        if not self.found(sign):
            self.fail(f'here must be "{sign}", not {self._shown()}')

    def name(self, what: str) -> str:
        token = self.tokens[self.at]
        if not token.quoted and (token.text == END or token.text in SIGNS):
            self.fail(f"here must be {what}, not {self._shown()}")
        self.at += 1
        return token.text

    def _shown(self) -> str:
        return f'"{self.peek()}"' if self.peek() != END else "the end of the file"

    def fail(self, message: str, back: int = 0) -> NoReturn:
        line = self.tokens[max(0, self.at - back)].line
        raise ModelError(message, loc=Loc(f"{self.file}:{line}"))


def _tokens(text: str, file: str) -> list[_Token]:
    found: list[_Token] = []
    at, line = 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ModelError("a quoted name must end with a quote", loc=Loc(f"{file}:{line}"))
        token = match["token"]
        if token is not None:
            quoted = token.startswith('"')
            found.append(_Token(token.strip('"') if quoted else token, line, quoted))
        line += match[0].count("\n")
        at = match.end()
    return found
