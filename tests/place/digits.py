"""Two classifiers of handwritten digits in integers, a large and a small one, and samples that neither was trained on."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import skosh
from skosh.ir.graph import Array, Graph


@cache
def digits() -> tuple[Graph, Graph, Array, Array]:
    """(small, large, images [count, 64] from 0 to 1, labels)."""
    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype(np.float32)
    train, test, train_labels, test_labels = train_test_split(x, labels, test_size=0.5, random_state=0, stratify=labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        large = MLPClassifier((128, 64, 32), max_iter=60, random_state=0).fit(train, train_labels)
        small = MLPClassifier((8,), max_iter=250, random_state=0).fit(train, train_labels)
    made = [skosh.quantize(skosh.load(m, name=n), train) for m, n in ((small, "small"), (large, "large"))]
    return made[0], made[1], test, test_labels
