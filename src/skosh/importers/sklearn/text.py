"""Text: words or characters, counted in a vocabulary or by hash, and weighed. Words are found by the C, in UTF-8."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.preprocessing import chosen
from skosh.ops.text.text import Characters, HashedCounts, Runs, TermCounts, TermWeights, Words, terms_table

MOST_TERMS = 1 << 16
"""A row of counts is float32, so this many take 256 KB of RAM."""

UNITS = {"word": "word", "char": "character", "char_wb": "padded"}


def count_vectorizer(model: Any, builder: Builder, x: str) -> str:
    """How often each term of the vocabulary is in the text."""
    vocabulary = getattr(model, "vocabulary_", None)
    if not vocabulary:
        raise ModelError(f"{model.__class__.__name__} must be fitted", hint="call its fit method first")
    check_size(len(vocabulary), "max_features=")
    stream, runs = read(model, builder, x)
    columns = {term.encode("utf-8", "surrogatepass"): int(i) for term, i in vocabulary.items()}
    terms = sorted(columns)
    letters, begin = terms_table(terms)
    table = builder.raw("letters", letters), builder.raw("begin", begin)
    y = builder.apply(TermCounts(runs, bool(model.binary)), stream, *table, name="counts")
    place = np.empty(len(terms), np.int64)
    place[[columns[t] for t in terms]] = np.arange(len(terms))
    return sparse(builder, chosen(builder, y, place))


def hashing_vectorizer(model: Any, builder: Builder, x: str) -> str:
    """Terms counted at their hash, over the norm."""
    check_size(int(model.n_features), "n_features=2**12")
    stream, runs = read(model, builder, x)
    op = HashedCounts(runs, bool(model.binary), bool(model.alternate_sign), int(model.n_features))
    y = sparse(builder, builder.apply(op, stream, name="counts"))
    return weighed(builder, y, np.ones(int(model.n_features)), False, model.norm)


def tfidf_vectorizer(model: Any, builder: Builder, x: str) -> str:
    """Counts, weighed."""
    y = count_vectorizer(model, builder, x)
    return tfidf_transformer(getattr(model, "_tfidf", model), builder, y)


def tfidf_transformer(model: Any, builder: Builder, x: str) -> str:
    """Counts, or 1 + their logarithms, times how rare a term is, over the norm."""
    count = builder.tensors[x].shape[1]
    if model.use_idf and getattr(model, "idf_", None) is None:
        raise ModelError(f"{model.__class__.__name__} must be fitted", hint="call its fit method first")
    scale = np.asarray(model.idf_, np.float64) if model.use_idf else np.ones(count)
    if scale.shape != (count,):
        raise ModelError(f"there must be a weight for each of {count} terms, not {scale.size}")
    return weighed(builder, x, scale, bool(model.sublinear_tf), model.norm)


def weighed(builder: Builder, x: str, scale: Any, sublinear: bool, norm: str | None) -> str:
    """The row of weights; x itself when they change nothing."""
    if norm not in (None, "l1", "l2"):
        raise ModelError(f'the norm must be "l1", "l2" or None, not {norm!r}')
    if norm is None and not sublinear and np.all(scale == 1):
        return x
    y = builder.apply(TermWeights(sublinear, norm), x, builder.constant("scale", scale), name="weights")
    return sparse(builder, y)


def sparse(builder: Builder, x: str) -> str:
    """x, known to be mostly zeros."""
    builder.sparse.add(x)
    return x


# ----------------------------------------------------------------------------------------------------------------- reading


def read(model: Any, builder: Builder, x: str) -> tuple[str, Runs]:
    """(stream, runs of what). ModelError for what can't be said in C."""
    for name in ("preprocessor", "tokenizer"):
        if getattr(model, name, None) is not None:
            raise ModelError(f"{name} must be left out, as it is a Python function", hint="use token_pattern and lowercase")
    if model.analyzer not in UNITS:
        raise ModelError(f"analyzer must be one of {', '.join(UNITS)}, not {described(model.analyzer)}")
    if model.strip_accents is not None:
        raise ModelError("accents can't be stripped", hint="strip_accents=None, and strip them before, on the device too")
    if model.input != "content":
        raise ModelError(f'input must be "content", not "{model.input}"')
    least, most = (int(n) for n in model.ngram_range)
    if not 1 <= least <= most:
        raise ModelError(f"ngram_range must be two numbers from 1 on, the second not smaller, not {model.ngram_range}")
    runs = Runs(UNITS[model.analyzer], least, most)
    if model.analyzer != "word":
        op = Characters(bool(model.lowercase), runs.unit == "padded")
        return builder.apply(op, x, name="characters"), runs
    letters, begin = terms_table(sorted(w.encode("utf-8", "surrogatepass") for w in model.get_stop_words() or ()))
    stop = builder.raw("stop_letters", letters), builder.raw("stop_begin", begin)
    op_ = Words(bool(model.lowercase), shortest(model.token_pattern))
    return builder.apply(op_, x, *stop, name="words"), runs


def shortest(pattern: Any) -> int:
    r"""How many characters a word has at least, by a pattern like the default, ``(?u)\b\w\w+\b``."""
    text = pattern if isinstance(pattern, str) else ""
    bare = re.sub(r"^\(\?u\)", "", text)
    bare = re.sub(r"^\\b(.*)\\b$", r"\1", bare)
    bare = re.sub(r"^\((.*)\)$", r"\1", bare)
    if found := re.fullmatch(r"((?:\\w)*)\\w\+", bare):
        return len(found[1]) // 2 + 1
    if found := re.fullmatch(r"\\w\{(\d+),\}", bare):
        return max(1, int(found[1]))
    raise ModelError(
        f"token_pattern must be words of letters, digits and underscores, not {described(pattern)}",
        hint=r"(?u)\b\w\w+\b, or another number of \w",
    )


def described(thing: Any) -> str:
    return repr(thing) if isinstance(thing, str) or thing is None else f"a {type(thing).__name__}"


def check_size(terms: int, hint: str) -> None:
    """A ModelError when a row of counts would fill the RAM of any small device."""
    if terms > MOST_TERMS:
        raise ModelError(f"there must be at most {MOST_TERMS:,} terms, not {terms:,}", hint=f"fit it with {hint}")


CONVERTERS = {
    "CountVectorizer": count_vectorizer,
    "HashingVectorizer": hashing_vectorizer,
    "TfidfVectorizer": tfidf_vectorizer,
    "TfidfTransformer": tfidf_transformer,
}
