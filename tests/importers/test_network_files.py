"""BIF and XMLBIF files: what pgmpy writes is read as it was; and what is no such file gets a letter, whatever it holds."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.errors import InputError, ModelError, SkoshError
from skosh.importers.pgm.bif import read_bif
from skosh.importers.pgm.network import Network, check_network
from skosh.importers.pgm.xmlbif import read_xmlbif
from tests.importers.networks import asia, cancer, random_network, to_pgmpy

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pgmpy", "ignore::UserWarning:pgmpy")

BIF = """
// the grass is wet
network "rainy grass" { property author someone; }
variable rain { type discrete [2] { yes, no }; property "position = (1, 2)"; }
variable grass { type discrete[ 3 ] { dry, "very wet", <5% }; }
probability ( rain ) { table 0.2 , 0.8; }
/* rows may
   stand in any order */
probability ( grass | rain ) {
    (no) .9 5e-2 0.05;
    default 0.1, 0.8, 0.1;
}
"""
XML = """<?xml version="1.0"?>
<!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> <!ATTLIST BIF VERSION CDATA #REQUIRED> ]>
<BIF VERSION="0.3"><NETWORK><NAME>grass</NAME>
<VARIABLE TYPE="nature"><NAME>rain</NAME><OUTCOME>yes</OUTCOME><OUTCOME>no</OUTCOME></VARIABLE>
<VARIABLE TYPE="nature"><NAME>grass</NAME><OUTCOME>dry</OUTCOME><OUTCOME>very wet</OUTCOME><OUTCOME>&lt;5%</OUTCOME></VARIABLE>
<DEFINITION><FOR>rain</FOR><TABLE>0.2 <!-- often --> 0.8</TABLE></DEFINITION>
<DEFINITION><FOR>grass</FOR><GIVEN>rain</GIVEN><TABLE>0.1 0.8 0.1  0.9 0.05 0.05</TABLE></DEFINITION>
</NETWORK></BIF>"""


def same(a: Network, b: Network) -> None:
    """Equal distributions, whatever the order of variables, parents and states."""
    assert {v: set(s) for v, s in a.states.items()} == {v: set(s) for v, s in b.states.items()}
    theirs = {f.scope[0]: f for f in b.factors}
    for f in a.factors:
        other = theirs.pop(f.scope[0])
        assert set(other.scope) == set(f.scope)
        values = other.values.transpose([other.scope.index(v) for v in f.scope])
        order = [[b.states[v].index(s) for s in a.states[v]] for v in f.scope]
        np.testing.assert_allclose(values[np.ix_(*order)], f.values, rtol=1e-6)
    assert not theirs


@pytest.mark.parametrize("net", [asia(), cancer(), random_network(3, 20)], ids=lambda n: n.name)
def test_what_pgmpy_writes(net: Network) -> None:
    from pgmpy.readwrite import BIFWriter, XMLBIFWriter

    model = to_pgmpy(net)
    same(net, read_bif(str(BIFWriter(model)), "a.bif", "a"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(net, read_xmlbif(str(XMLBIFWriter(model)), "a.xmlbif", "a"))


def test_the_liberties_that_files_take() -> None:
    net = read_bif(BIF, "grass.bif", "grass")
    assert net.states == {"rain": ("yes", "no"), "grass": ("dry", "very wet", "<5%")}
    np.testing.assert_allclose(net.factors[1].values, [[0.1, 0.9], [0.8, 0.05], [0.1, 0.05]])
    same(net, read_xmlbif(XML, "grass.xml", "grass"))


def test_a_table_with_parents_counts_the_variable_slowest() -> None:
    net = read_bif(
        BIF.replace("(no) .9 5e-2 0.05;\n    default 0.1, 0.8, 0.1;", "table .1 .9 .8 .05 .1 .05;"), "g.bif", "g"
    )
    same(net, read_bif(BIF, "g.bif", "g"))


def test_load_by_path(tmp_path: Path) -> None:
    for file, text in (("grass.bif", BIF), ("grass.xmlbif", XML), ("grass.xml", XML)):
        (tmp_path / file).write_text(text, encoding="utf-8")
        graph = skosh.load(tmp_path / file, query="rain", evidence=["grass"])
        assert graph.name == "grass"
        assert graph.loc.file == file
        y = skosh.compile(graph, target="host").run(np.array([[1]], np.int32))
        np.testing.assert_allclose(y, [[0.16 / 0.2, 0.04 / 0.2]], rtol=1e-6)
    with pytest.raises(InputError, match=r"none\.bif: can't be read: no such file or directory\.$"):
        skosh.load(tmp_path / "none.bif", query="rain")
    (tmp_path / "latin.bif").write_bytes(b"variable caf\xe9 {")
    with pytest.raises(ModelError, match=r"^latin\.bif: must be text in UTF-8\.$"):
        skosh.load(tmp_path / "latin.bif", query="rain")


@pytest.mark.parametrize(
    ("old", "new", "letter"),
    [
        ("network", "netwrok", 'a.bif:3: here must be network, variable or probability, not "netwrok".'),
        ("type discrete [2]", "type continuous [2]", 'a.bif:4: a variable\'s type must be discrete, not "continuous".'),
        ("[2]", "[3]", "a.bif:4: there must be 3 states, not 2."),
        ("variable grass", "variable rain", 'a.bif:5: variable "rain" must be declared once.'),
        ("type discrete[ 3 ]", "kind discrete[ 3 ]", 'a.bif:5: here must be type or property, not "kind".'),
        ("( grass |", "( gras |", 'a.bif:9: variable "gras" must be declared before it is used.'),
        ("(no) .9", "(never) .9", 'a.bif:10: "rain" must have a state "never"; it has yes, no.'),
        ("5e-2", "five", 'a.bif:10: here must be a number, not "five".'),
        ("5e-2", "inf", "a.bif:10: numbers must be finite."),
        ("5e-2", "", "a.bif:10: here must be 3 numbers, not 2."),
        ("default 0.1, 0.8, 0.1;", "", 'a.bif:12: the distribution of "grass" must have a row for (yes).'),
        ('"very wet"', '"very wet', "a.bif:5: a quoted name must end with a quote."),
        ("default 0.1, 0.8, 0.1;\n}", "", "a.bif:12: here must be table, default, property or a row, not the end of the file."),
    ],
)  # fmt: skip
def test_letters_name_the_line(old: str, new: str, letter: str) -> None:
    with pytest.raises(ModelError) as error:
        read_bif(BIF.replace(old, new, 1), "a.bif", "a")
    assert str(error.value) == letter


@pytest.mark.parametrize(
    ("old", "new", "letter"),
    [
        ("</BIF>", "", "a.xml:8: must be well-formed XML: no element found."),
        ("BIF", "BLF", "a.xml: must be XML with <BIF> and <NETWORK> in it, not <BLF>."),
        ("NETWORK>", "NET>", "a.xml: must be XML with <BIF> and <NETWORK> in it."),
        ("nature", "decision", 'a.xml: "rain": only variables of TYPE "nature" can be compiled, not "decision".'),
        ("<GIVEN>rain", "<GIVEN>snow", 'a.xml: "grass": its distribution names "snow", which is no variable.'),
        ("0.8 0.1 ", "0.8 ", 'a.xml: "grass": its table must have 6 numbers, not 5.'),
        ("0.8 0.1 ", "0.8 x ", 'a.xml: "grass": its table must hold numbers only.'),
        ("<FOR>rain</FOR>", "", "a.xml: there must be a <FOR> in each <DEFINITION>."),
        ("<!ELEMENT BIF ( NETWORK )*>", '<!ENTITY a "aaaa">', 'a.xml: must not define entities, such as "a".'),
    ],
)  # fmt: skip
def test_letters_of_xml(old: str, new: str, letter: str) -> None:
    text = XML.replace(old, new) if old in ("BIF", "NETWORK>") else XML.replace(old, new, 1)
    with pytest.raises(ModelError) as error:
        read_xmlbif(text, "a.xml", "a")
    assert str(error.value) == letter


def test_a_distribution_that_would_fill_the_memory() -> None:
    names = [f"v{i}" for i in range(30)]
    text = "".join(f"variable {v} {{ type discrete [2] {{ a, b }}; }}\n" for v in names)
    with pytest.raises(
        ModelError, match=r"^a\.bif:31: a distribution must have at most 4,194,304 numbers, not 1,073,741,824\.$"
    ):
        read_bif(f"{text}probability (v0 | {', '.join(names[1:])}) {{ default 0.5, 0.5; }}", "a.bif", "a")


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_give_letters(data: st.DataObject) -> None:
    """Pieces cut out, doubled or exchanged."""
    read, text = data.draw(st.sampled_from([(read_bif, BIF), (read_xmlbif, XML)]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 20)))
        other = data.draw(
            st.sampled_from(["", text[at:end] * 2, "{", "}", ";", "<", "(", ")", "|", '"', "-1", "9e999", "é", "\x00"])
        )
        text = text[:at] + other + text[end:]
    try:
        check_network(read(text, "a", "a"))
    except SkoshError as error:
        assert len(str(error)) < 500


def test_a_long_chain_costs_work_that_grows_with_it() -> None:
    """Counted, not timed: each variable of a chain has two neighbours, whatever the length."""
    from skosh.base.budget import Budget, budgeted
    from skosh.importers.pgm.elimination import best_order, cost

    count = 4000
    names = [f"v{i}" for i in range(count)]
    scopes, states = list(zip(names[1:], names, strict=False)), dict.fromkeys(names, 2)
    with budgeted(Budget(work=60 * count)):
        order = best_order(scopes, states, [names[1:]])
    assert sorted(order) == sorted(names[1:])
    assert cost(scopes, states, order)[1] <= 8
