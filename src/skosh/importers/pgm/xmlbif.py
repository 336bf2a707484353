"""XMLBIF 0.3 files: Bayesian networks in XML, as JavaBayes, Weka and pgmpy write them.

A TABLE counts the variable itself fastest, then its parents (GIVEN), the last one first. Entities are refused: a file of
a few lines could otherwise fill the memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from skosh.base.errors import Loc, ModelError
from skosh.importers.pgm.bif import text_of
from skosh.importers.pgm.network import Factor, Network
from skosh.importers.pgm.pgmpy import answered
from skosh.importers.pgm.query import LARGEST_FACTOR
from skosh.ir.graph import Graph


def load(source: Any, name: str | None = None, query: Any = None, evidence: Any = None, **options: Any) -> Graph:
    """A Graph from an XMLBIF file; the options of a query are those of pgmpy's networks, see ``pgmpy.load``."""
    path = Path(source)
    return answered(read_xmlbif(text_of(path), path.name, name or path.stem), query, evidence, **options)


def read_xmlbif(text: str, file: str, name: str) -> Network:
    """The network in the text of a file, not yet checked. ModelError where the text is no XMLBIF."""
    loc = Loc(file)
    network = _parsed(text, loc).find("NETWORK")
    if network is None:
        raise ModelError("must be XML with <BIF> and <NETWORK> in it", loc=loc)
    states: dict[str, tuple[str, ...]] = {}
    for variable in network.findall("VARIABLE"):
        label = _text(variable, "NAME", loc)
        if label in states:
            raise ModelError("it must be declared once", loc=Loc(file, label))
        if (kind := variable.get("TYPE", "nature")) not in ("nature", "discrete"):
            raise ModelError(f'only variables of TYPE "nature" can be compiled, not "{kind}"', loc=Loc(file, label))
        states[label] = tuple((o.text or "").strip() for o in variable.iter() if o.tag in ("OUTCOME", "VALUE"))
    factors = tuple(_factor(d, states, file) for kind in ("DEFINITION", "PROBABILITY") for d in network.findall(kind))
    if not states:
        raise ModelError("there must be at least one <VARIABLE>", loc=loc)
    return Network(name, states, factors, True, loc)


def _factor(definition: Element, states: dict[str, tuple[str, ...]], file: str) -> Factor:
    child = _text(definition, "FOR", Loc(file))
    loc = Loc(file, child)
    scope = (child, *((g.text or "").strip() for g in definition.findall("GIVEN")))
    for v in scope:
        if v not in states:
            raise ModelError(f'its distribution names "{v}", which is no variable', loc=loc)
    shape = tuple(len(states[v]) for v in scope)
    if (elements := int(np.prod(shape, dtype=object))) > LARGEST_FACTOR:
        raise ModelError(f"a distribution must have at most {LARGEST_FACTOR:,} numbers, not {elements:,}", loc=loc)
    table = _text(definition, "TABLE", loc).split()
    if len(table) != elements:
        raise ModelError(f"its table must have {elements} numbers, not {len(table)}", loc=loc)
    try:
        values = np.array([float(word) for word in table])
    except ValueError as error:
        raise ModelError("its table must hold numbers only", loc=loc) from error
    return Factor(scope, np.moveaxis(values.reshape(*shape[1:], shape[0]), -1, 0))


def _text(parent: Element, tag: str, loc: Loc) -> str:
    child = parent.find(tag)
    text = ("" if child is None else "".join(child.itertext())).strip()
    if not text:
        raise ModelError(f"there must be a <{tag}> in each <{parent.tag}>", loc=loc)
    return text


def _parsed(text: str, loc: Loc) -> Element:
    """The root element of XML without entities."""

    def refuse(name: str, *_: object) -> None:
        raise ModelError(f'must not define entities, such as "{name}"', loc=loc)

    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda tag, attributes: builder.start(tag, attributes) and None
    parser.EndElementHandler = lambda tag: builder.end(tag) and None
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise ModelError(
            f"must be well-formed XML: {expat.errors.messages[error.code]}", loc=Loc(f"{loc.file}:{error.lineno}")
        ) from error
    root = builder.close()
    if root.tag != "BIF":
        raise ModelError(f"must be XML with <BIF> and <NETWORK> in it, not <{root.tag}>", loc=loc)
    return root
