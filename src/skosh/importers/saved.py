"""Files that hold fitted objects: pickles, which run code when they are read, and skops files, which don't.

Also what importers of saved models share: reading text, and one letter for whatever is wrong inside.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skosh.base import files
from skosh.base.errors import InputError, ModelError, SkoshError, ToolError
from skosh.ir.graph import Graph

PICKLES = (".pkl", ".pickle", ".joblib")

RUNS_CODE = (*PICKLES, ".pt2", ".keras", ".h5")
"""Files that a library of theirs reads, and that may run what is in them."""

WHY = "reading a pickle runs whatever code its author put into it"


def load(source: Any, name: str | None = None, trust_pickle: bool = False, **options: Any) -> Graph:
    """A Graph from a file with a fitted estimator.

    trust_pickle: run the code that a pickle is. Without it, InputError; a skops file needs no trust: it is read as data,
    and may hold scikit-learn's own estimators only.
    """
    from skosh.importers import load as load_object

    path = Path(source)
    if not path.is_file():
        raise InputError("can't be read: no such file or directory", loc=str(path))
    if path.suffix.lower() in PICKLES:
        if not trust_pickle:
            raise InputError(
                f"{WHY}, so it must be trusted first",
                loc=str(path),
                hint="trust_pickle=True if you know who made it; skops and ONNX files are the safe way",
            )
        fitted = unpickled(path)
        return load_object(fitted, name or named(path, "model"), **options)
    return from_skops(path, name or named(path, "model"), options)


def from_skops(path: Path, name: str, options: Mapping[str, Any]) -> Graph:
    """A Graph from a skops file. What its numbers don't fit together for is a letter about the file.

    The graph doesn't know the object: nobody may ask it to predict, for its own code would believe those numbers.
    """
    from skosh.importers.sklearn import load as load_estimator
    from skosh.importers.skops import read_skops

    fitted = read_skops(path)
    try:
        return load_estimator(fitted, name, **options)
    except (SkoshError, AssertionError):
        raise
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # scikit-learn's methods believe their attributes, so wrong ones raise anything
        what = f"{type(error).__name__}: {error}"
        raise ModelError(f"its attributes don't fit together ({what})", loc=str(path)) from error


def unpickled(path: Path) -> Any:
    """The object; joblib reads pickles too, and its own with arrays apart."""
    try:
        try:
            import joblib
        except ImportError:
            return pickle.loads(path.read_bytes())
        return joblib.load(path)
    except ImportError as error:
        raise ToolError(f"{path}: it needs a library that is not installed: {error}") from error
    except Exception as error:  # a broken pickle raises anything
        raise ModelError(f"can't be unpickled: {type(error).__name__}: {error}", loc=str(path)) from error


# ---------------------------------------------------------------------------------------------------------- shared


def read_text(path: Path, library: str) -> str:
    """The text of a file. InputError when it can't be read, ModelError when it is no text."""
    try:
        return files.read_text(path)
    except UnicodeDecodeError as error:
        raise ModelError(f"this is no text that {library} saved", loc=str(path)) from error


@contextmanager
def well_formed(library: str, file: str) -> Iterator[None]:
    """What goes wrong inside, while a file's own names and numbers are looked up, is a ModelError about the file."""
    try:
        yield
    except SkoshError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ModelError(f"this is no model that {library} saved ({what})", loc=file) from error


def named(source: Any, otherwise: str) -> str:
    """What to call a model: a file's name without its ending."""
    return Path(source).stem if isinstance(source, str | Path) else otherwise


def place(source: Any, otherwise: str) -> str:
    """Where a letter says that something is: the file, if there is one."""
    return str(source) if isinstance(source, str | Path) else otherwise
