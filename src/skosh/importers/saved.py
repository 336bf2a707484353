"""Files that hold fitted objects: pickles, which run code when they are read, and skops files, which don't.

Also what importers of saved models share: reading text, and one letter for whatever is wrong inside.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skosh.base.errors import InputError, ModelError, SkoshError, ToolError
from skosh.ir.graph import Graph

PICKLES = (".pkl", ".pickle", ".joblib")

WHY = "reading a pickle runs whatever code its author put into it"


def load(source: Any, name: str | None = None, trust_pickle: bool = False, **options: Any) -> Graph:
    """A Graph from a file with a fitted estimator.

    trust_pickle: run the code that a pickle is. Without it, InputError; a skops file needs no trust, but may hold
    scikit-learn's own types only.
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
                hint="--trust-pickle (trust_pickle=True) if you know who made it; skops and ONNX files are the safe way",
            )
        fitted = unpickled(path)
    else:
        fitted = from_skops(path)
    return load_object(fitted, name or named(path, "model"), **options)


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


def from_skops(path: Path) -> Any:
    """The object in a skops file, if that holds nothing but types of scikit-learn, or ones that skops knows as harmless."""
    try:
        import skops.io
    except ImportError:
        raise ToolError("skops is needed to read .skops files", hint="pip install skops") from None
    try:
        asked = skops.io.get_untrusted_types(
            file=path
        )  # scikit-learn's compiled types, trees for example, are among them
        if foreign := [name for name in asked if not name.startswith("sklearn.")]:
            raise ModelError(f"a skops file must hold scikit-learn's own types only, not {foreign[0]}", loc=str(path))
        return skops.io.load(path, trusted=asked)
    except SkoshError:
        raise
    except Exception as error:  # a broken archive raises anything
        raise ModelError(f"this is no skops file: {type(error).__name__}: {error}", loc=str(path)) from error


# ---------------------------------------------------------------------------------------------------------- shared


def read_text(path: Path, library: str) -> str:
    """The text of a file. InputError when it can't be read, ModelError when it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"can't be read: {(error.strerror or str(error)).lower()}", loc=str(path)) from error
    except UnicodeDecodeError as error:
        raise ModelError(f"this is no text that {library} saved", loc=str(path)) from error


@contextmanager
def well_formed(library: str, file: str) -> Iterator[None]:
    """What goes wrong inside, while a file's own names and numbers are looked up, is a ModelError about the file."""
    try:
        yield
    except SkoshError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ModelError(f"this is no model that {library} saved ({what})", loc=file) from error


def named(source: Any, otherwise: str) -> str:
    """What to call a model: a file's name without its ending."""
    return Path(source).stem if isinstance(source, str | Path) else otherwise


def place(source: Any, otherwise: str) -> str:
    """Where a letter says that something is: the file, if there is one."""
    return str(source) if isinstance(source, str | Path) else otherwise
