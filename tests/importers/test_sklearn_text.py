"""Text: what the compiled model makes of it is what scikit-learn makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import LinearSVC

import skosh
from skosh.base.errors import InputError, ModelError, SkoshError, UnsupportedError

GOOD = ["great", "good", "lovely", "café", "naïve", "Happy", "don't", "film_noir", "2nd", "a", "is", "The", "plot"]
BAD = ["bad", "awful", "boring", "Größe", "sad", "Ärger", "it's", "x", "the", "a", "is", "plot", "THE", "I"]
BETWEEN = (" ", "  ", ", ", "… ", "\n", "\t \n", " – ", ". ", "-", " “", "” ", "\u2003", " × ")


def corpus(count: int, seed: int) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Reviews of 0 to 17 words in Western Europe's letters, with what is between words there, and how they were meant."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    texts = []
    for label in y:
        words = rng.choice(GOOD if label else BAD, int(rng.integers(0, 18)))
        texts.append("".join(f"{w}{rng.choice(BETWEEN)}" for w in words))
    return texts, y


SEEN, LABELS = corpus(150, 0)
UNSEEN, _ = corpus(80, 1)
UNSEEN += ["", " ", "x", "good", "GOOD", "good good bad", "é" * 100, "the", "漢字 the", "a\x1fb\x0bc  d"]
PLAIN = [t for t in UNSEEN if "\u2003" not in t]  # white space beyond ASCII is refused where white space counts

VECTORIZERS: dict[str, tuple[Any, list[str]]] = {
    "counts": (CountVectorizer(), UNSEEN),
    "stop words, runs, binary": (CountVectorizer(ngram_range=(1, 3), binary=True, stop_words="english"), UNSEEN),
    "capitals, words of one": (CountVectorizer(lowercase=False, token_pattern=r"\b\w+\b"), UNSEEN),
    "long words, pairs": (CountVectorizer(token_pattern=r"(?u)\b(\w{4,})\b", ngram_range=(2, 2)), UNSEEN),
    "a vocabulary of one's own": (
        CountVectorizer(vocabulary=["the", "good", "a b", "größe", "is the"], ngram_range=(1, 2)), UNSEEN
    ),
    "characters": (CountVectorizer(analyzer="char", ngram_range=(1, 3), max_features=200), PLAIN),
    "characters of words": (CountVectorizer(analyzer="char_wb", ngram_range=(1, 4), lowercase=False), PLAIN),
    "long runs in short words": (CountVectorizer(analyzer="char_wb", ngram_range=(5, 7)), PLAIN),
    "hashes": (HashingVectorizer(n_features=256), UNSEEN),
    "hashes of pairs, l1": (HashingVectorizer(n_features=1000, norm="l1", ngram_range=(1, 2)), UNSEEN),
    "hashes of characters": (HashingVectorizer(n_features=77, norm=None, analyzer="char_wb", ngram_range=(3, 3)), PLAIN),
    "binary signed hashes": (HashingVectorizer(n_features=3, norm=None, binary=True), UNSEEN),
    "tf-idf": (TfidfVectorizer(), UNSEEN),
    "sublinear": (TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2), UNSEEN),
    "l1, no idf": (TfidfVectorizer(norm="l1", use_idf=False), UNSEEN),
    "no norm": (TfidfVectorizer(norm=None, smooth_idf=False, binary=True), UNSEEN),
    "in two steps": (make_pipeline(CountVectorizer(), TfidfTransformer(sublinear_tf=True)), UNSEEN),
    "normalized afterwards": (make_pipeline(CountVectorizer(), Normalizer()), UNSEEN),
    "two side by side": (
        FeatureUnion(
            [("words", TfidfVectorizer()), ("parts", HashingVectorizer(n_features=64, analyzer="char", ngram_range=(2, 3)))]
        ),
        PLAIN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORIZERS)
def test_every_number_is_the_librarys(name: str) -> None:
    vectorizer, texts = VECTORIZERS[name]
    vectorizer.fit(SEEN)
    build = skosh.compile(skosh.load(vectorizer, length=400), target="host")
    want = vectorizer.transform(texts)
    np.testing.assert_allclose(build.predict(texts), want.toarray(), rtol=1e-6, atol=1e-7)


CLASSIFIERS = {
    "tf-idf, logistic": make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "hashes, svc": make_pipeline(HashingVectorizer(n_features=512), LinearSVC()),
    "hashes, naive Bayes": make_pipeline(HashingVectorizer(n_features=512, alternate_sign=False), MultinomialNB()),
    "counts, complement": make_pipeline(CountVectorizer(), ComplementNB()),
    "presence, Bernoulli": make_pipeline(CountVectorizer(binary=True), BernoulliNB()),
    "the best terms, ridge": make_pipeline(CountVectorizer(ngram_range=(1, 2)), SelectKBest(k=9), RidgeClassifier()),
    "pairs, sgd": make_pipeline(CountVectorizer(ngram_range=(1, 2)), TfidfTransformer(), SGDClassifier(random_state=0)),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels(name: str) -> None:
    model = CLASSIFIERS[name].fit(SEEN, np.where(LABELS, "good", "bad"))
    build = skosh.compile(skosh.load(model, length=400, output="label"), target="host")
    np.testing.assert_array_equal(build.predict(UNSEEN), model.predict(UNSEEN))


@pytest.mark.parametrize(
    ("name", "target"),
    [("two side by side", t) for t in ("host", "cortex-m0plus", "cortex-m4", "rv32imc")]
    + [("stop words, runs, binary", "cortex-m4"), ("characters of words", "cortex-m0plus")],
)
def test_the_c_is_bit_exact(name: str, target: str) -> None:
    """On texts that ``verify`` makes of the vocabulary, full buffers and broken characters among them."""
    build = skosh.compile(skosh.load(VECTORIZERS[name][0].fit(SEEN), length=60), target=target)
    proof = build.verify(4)
    assert proof.bit_exact, proof.first_difference
    assert np.count_nonzero(build.run(build.samples(4).inputs[0][0])) > 0


def test_text_ends_where_the_buffer_does() -> None:
    build = skosh.compile(skosh.load(CountVectorizer().fit(["cat dog"]), length=8), target="cortex-m4")
    raw = np.array([[*b"cat dog!"], [*b"cat\0dog "], [*b"a catdog"]], np.uint8)
    assert build.run(raw).tolist() == [[1, 1], [1, 0], [0, 0]]


def test_bytes_are_decoded_as_the_library_does() -> None:
    model = TfidfVectorizer(encoding="latin-1").fit(["für alle"])
    build = skosh.compile(skosh.load(model), target="host")
    np.testing.assert_allclose(build.predict([b"f\xfcr"]), model.transform([b"f\xfcr"]).toarray())


def letter(make: Any) -> str:
    with pytest.raises(SkoshError) as error:
        make()
    assert isinstance(error.value, InputError | ModelError | UnsupportedError)
    return str(error.value)


def test_letters() -> None:
    def of(model: Any, **options: Any) -> str:
        return letter(lambda: skosh.load(model, **options))

    here = '<sklearn>: "count_vectorizer":'
    assert of(CountVectorizer()) == f"{here} CountVectorizer must be fitted. Hint: call its fit method first"
    assert of(TfidfVectorizer()) == (
        '<sklearn>: "tfidf_vectorizer": TfidfVectorizer must be fitted. Hint: call its fit method first'
    )
    assert of(HashingVectorizer()) == (
        '<sklearn>: "hashing_vectorizer": there must be at most 65,536 terms, not 1,048,576. '
        "Hint: fit it with n_features=2**12"
    )
    assert of(CountVectorizer(tokenizer=str.split, token_pattern=None).fit(SEEN)) == (
        f"{here} tokenizer must be left out, as it is a Python function. Hint: use token_pattern and lowercase"
    )
    assert of(CountVectorizer(analyzer=str.split).fit(SEEN)) == (
        f"{here} analyzer must be one of word, char, char_wb, not a method_descriptor."
    )
    assert of(CountVectorizer(token_pattern=r"[a-z]+").fit(SEEN)) == (
        f"{here} token_pattern must be words of letters, digits and underscores, not '[a-z]+'. "
        r"Hint: (?u)\b\w\w+\b, or another number of \w"
    )
    assert of(CountVectorizer(strip_accents="unicode").fit(SEEN)) == (
        f"{here} accents can't be stripped. Hint: strip_accents=None, and strip them before, on the device too"
    )
    fitted = CountVectorizer().fit(SEEN)
    assert of(fitted, length=0) == "<sklearn>: length, of a text in bytes, must be from 1 to 65,535, not 0."
    assert of(StandardScaler().fit([[0.0], [1.0]]), length=9) == '<sklearn>: StandardScaler has no option "length".'
    late = make_pipeline(CountVectorizer(), TfidfTransformer(), LogisticRegression()).fit(SEEN, LABELS)
    late.steps.insert(1, ("again", TfidfVectorizer()))
    assert "TfidfVectorizer reads text, so it must be the first step" in of(late)
    columns = ColumnTransformer([("text", CountVectorizer(), 0)]).fit(np.array([["ab cd"], ["ef gh"]], object))
    assert "CountVectorizer reads text, so it must be the first step" in of(columns)


def test_letters_of_predict() -> None:
    build = skosh.compile(skosh.load(CountVectorizer().fit(SEEN), length=8), target="host")
    assert (
        letter(lambda: build.predict("one")) == 'predict takes a list of texts, not one. Hint: predict(["some text"])'
    )
    assert letter(lambda: build.predict([3])) == "a text must be str or bytes, not int."
    assert letter(lambda: build.predict(["neuf été"])) == (
        "a text must have at most 8 bytes, not 10. Hint: load the model with a larger length=, or cut the text"
    )
    hint = "Hint: write it as a space or in small letters before, on the device too"
    for text, why in (
        ("Жук", "it stays a capital"),
        ("a→b", "it is part of a word there"),
        ("a\0b", "it ends the text"),
    ):
        odd = next(c for c in text if c not in "ab")
        assert letter(lambda t=text: build.predict([t])) == (
            f"the C reads U+{ord(odd):04X} otherwise than the library: {why}. {hint}"
        )
    parts = skosh.compile(skosh.load(CountVectorizer(analyzer="char").fit(SEEN), length=8), target="host")
    assert "U+2003 otherwise than the library: it is no white space there." in letter(lambda: parts.predict(["\u2003"]))
    assert letter(lambda: build.predict([b"\xff"])).startswith("a text must be readable as utf-8: ")
