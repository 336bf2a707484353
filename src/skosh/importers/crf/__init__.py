"""Linear-chain conditional random fields: fitted objects of sklearn-crfsuite, and CRFsuite's model files.

``reader`` turns a file's bytes into labels, attributes and weights; ``items`` turns a library's feature dicts into what the
C takes; ``chain`` makes the Graph, of the same operators as a hidden Markov model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skosh.base.errors import Loc, ModelError
from skosh.base.files import read_bytes
from skosh.importers.crf.chain import crf_graph
from skosh.importers.crf.reader import read_crfsuite
from skosh.importers.pgm.asked import of_field, with_original
from skosh.ir.graph import Graph

FILE = "<crfsuite>"


def load(source: Any, name: str | None = None, **options: Any) -> Graph:
    """A float32 Graph of a fitted ``sklearn_crfsuite.CRF`` or a ``.crfsuite`` file; for the options see ``crf_graph``.

    The file is read by skosh itself, weights to the last bit, so neither library is needed.

    Raises InputError for a file that can't be read or options that don't fit, ModelError when the model is not fitted or
    the file is damaged.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return crf_graph(read_crfsuite(read_bytes(path), Loc(path.name)), name or path.stem, Loc(path.name), **options)
    loc = Loc(FILE, type(source).__name__)
    file = getattr(getattr(source, "modelfile", None), "name", None)  # made by fit, removed with the object
    if file is None or not Path(file).is_file() or Path(file).stat().st_size == 0:
        raise ModelError("the model must be fitted first", loc=loc, hint="call its fit method, or give model_filename")
    model = read_crfsuite(read_bytes(file), loc)
    graph = crf_graph(model, name or "crf", loc, **options)
    if options.get("output") != "marginals":
        return graph
    return with_original(graph, of_field(source, graph, model.labels, model.attributes))

