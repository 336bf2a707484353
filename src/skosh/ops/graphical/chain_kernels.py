"""Hidden chains in the kernel language: scores of observations, the forward filter, smoothing, the most probable path.

T observations, K states. ``move[i, j]``: from state i to state j.
"""

from __future__ import annotations

from skosh.base.dtypes import f32, i32
from skosh.language import kernel, par, seq, widen, wrap
from skosh.language.mathf import exp, log


@kernel
def indexed_scores(index: i32[T, F], weight: f32[A, K], y: f32[T, K], status: i32[1], *, bad):
    """y[t, k] = the sum of weight[index[t, f], k]; -1 stands for no index. status = bad where one is out of range."""
    found = 0
    for t in seq(T):
        for k in par(K):
            y[t, k] = 0.0
        for f in seq(F):
            a = index[t, f]
            if a >= 0 and a < A:
                for k in par(K):
                    y[t, k] += weight[a, k]
            elif a != -1:
                found = bad
    status[0] = found


@kernel
def weighted_scores(index: i32[T, F], value: f32[T, F], weight: f32[A, K], y: f32[T, K], status: i32[1], *, bad):
    """y[t, k] = the sum of value[t, f] * weight[index[t, f], k]; as ``indexed_scores``."""
    found = 0
    for t in seq(T):
        for k in par(K):
            y[t, k] = 0.0
        for f in seq(F):
            a = index[t, f]
            if a >= 0 and a < A:
                for k in par(K):
                    y[t, k] += value[t, f] * weight[a, k]
            elif a != -1:
                found = bad
    status[0] = found


@kernel
def grouped_log_sums(x: f32[T, K * M], y: f32[T, K], *, M):
    """y[t, k] = the logarithm of the sum of exp(x) over a group of M, from its largest element on."""
    for t, k in par(T, K):
        largest = x[t, k * M]
        for m in seq(1, M):
            largest = x[t, k * M + m] if x[t, k * M + m] > largest else largest
        total = 0.0
        for m in seq(M):
            total += exp(x[t, k * M + m] - largest)
        y[t, k] = largest + log(total) if total > 0.0 else largest


@kernel
def likelihoods(x: f32[T, K], y: f32[T, K], *, nothing: f32):
    """y[t, k] = exp(x[t, k] - the largest of the row); all 0 where not even that is above ``nothing``."""
    for t in par(T):
        largest = x[t, 0]
        for k in seq(1, K):
            largest = x[t, k] if x[t, k] > largest else largest
        for k in par(K):
            y[t, k] = exp(x[t, k] - largest) if largest > nothing else 0.0


@kernel
def filter_step(
    like: f32[K], status: i32[1], move: f32[K, K], y: f32[K], predicted: f32[K], after: i32[1], next: f32[K],
    *, nan: f32, impossible
):  # fmt: skip
    """y = the probability of each state given all observations so far; predicted becomes that of the next step.

    An observation that no state explains is passed over: y is NaN, and predicted moves on without it.
    """
    total = 0.0
    before = 0.0
    for k in seq(K):
        weight = predicted[k] * like[k]
        y[k] = weight
        total += weight
        before += predicted[k]
    found = status[0]
    if not total > 0.0 and found == 0:
        found = impossible
    for k in par(K):
        y[k] = y[k] / total if found == 0 else predicted[k] / before
    for j in par(K):
        acc = 0.0
        for i in seq(K):
            acc += y[i] * move[i, j]
        next[j] = acc
    for k in par(K):
        predicted[k] = next[k]
        if found != 0:
            y[k] = nan
    after[0] = found


@kernel
def lag_step(
    like: f32[K], status: i32[1], move: f32[K, K], y: f32[K], window: f32[W, K], predicted: f32[K], held: i32[1],
    after: i32[1], work: f32[2, K], *, nan: f32, impossible
):  # fmt: skip
    """y = the probability of each state at the oldest of the last W observations, given all so far.

    held: observations in the window. When it is full, its oldest leaves: predicted, the state before it, moves on.
    A bad observation (status) counts as none: all states explain it alike.
    """
    n = held[0]
    if n >= W:
        total = 0.0
        for k in seq(K):
            weight = predicted[k] * window[0, k]
            work[0, k] = weight
            total += weight
        for k in par(K):
            work[0, k] = work[0, k] / total if total > 0.0 else predicted[k]
        for j in par(K):
            acc = 0.0
            for i in seq(K):
                acc += work[0, i] * move[i, j]
            predicted[j] = acc
        for w in seq(W - 1):
            for k in par(K):
                window[w, k] = window[w + 1, k]
        n = W - 1
    for k in par(K):
        window[n, k] = like[k] if status[0] == 0 else 1.0
        work[0, k] = 1.0
    held[0] = n + 1
    for back in seq(n):
        largest = 0.0
        for j in par(K):
            work[0, j] = window[n - back, j] * work[0, j]
        for i in seq(K):
            acc = 0.0
            for j in seq(K):
                acc += move[i, j] * work[0, j]
            work[1, i] = acc
            largest = acc if acc > largest else largest
        for k in par(K):
            work[0, k] = work[1, k] / largest if largest > 0.0 else 0.0
    total = 0.0
    for k in seq(K):
        weight = (predicted[k] * window[0, k]) * work[0, k]
        y[k] = weight
        total += weight
    found = status[0]
    if not total > 0.0 and found == 0:
        found = impossible
    for k in par(K):
        y[k] = y[k] / total if found == 0 else nan
    after[0] = found


@kernel
def forward_backward(
    like: f32[T, K], start: f32[K], move: f32[K, K], length: i32[1], status: i32[1], y: f32[T, K], after: i32[1],
    work: f32[2, K], *, nan: f32, impossible, bad
):  # fmt: skip
    """y[t, k] = the probability of state k at time t given the first ``length`` observations; 0 beyond them.

    Forward probabilities, normalized at each step, are kept in y; backward ones, likewise, come after.
    """
    found = status[0]
    n = length[0]
    if n < 1 or n > T:
        found = bad
        n = 0
    for t in seq(n):
        total = 0.0
        for j in seq(K):
            acc = start[j]
            if t > 0:
                acc = 0.0
                for i in seq(K):
                    acc += y[t - 1, i] * move[i, j]
            y[t, j] = acc * like[t, j]
            total += acc * like[t, j]
        if not total > 0.0 and found == 0:
            found = impossible
        for k in par(K):
            y[t, k] = y[t, k] / total if total > 0.0 else 0.0
    for k in par(K):
        work[0, k] = 1.0
    for back in seq(1, n):
        t = n - 1 - back
        largest = 0.0
        for j in par(K):
            work[0, j] = like[t + 1, j] * work[0, j]
        for i in seq(K):
            acc = 0.0
            for j in seq(K):
                acc += move[i, j] * work[0, j]
            work[1, i] = acc
            largest = acc if acc > largest else largest
        total = 0.0
        for k in seq(K):
            work[0, k] = work[1, k] / largest if largest > 0.0 else 0.0
            weight = y[t, k] * work[0, k]
            y[t, k] = weight
            total += weight
        for k in par(K):
            y[t, k] = y[t, k] / total if total > 0.0 else 0.0
    for t in par(T):
        for k in par(K):
            if found != 0:
                y[t, k] = nan
            elif t >= n:
                y[t, k] = 0.0
    after[0] = found


@kernel
def viterbi(
    score: f32[T, K], start: f32[K], move: f32[K, K], length: i32[1], status: i32[1], y: i32[T], after: i32[1],
    best: f32[2, K], origin: B[T, K], *, nothing: f32, impossible, bad
):  # fmt: skip
    """y[t] = the state at time t of the path of the highest score; -1 beyond ``length``. Of equals, the first.

    Scores are kept relative to the best one so far: they stay small, so float32 tells them apart however long the path.
    """
    found = status[0]
    n = length[0]
    if n < 1 or n > T:
        found = bad
        n = 1
    for k in par(K):
        best[0, k] = start[k] + score[0, k]
    for t in seq(1, n):
        for j in par(K):
            largest = best[0, 0] + move[0, j]
            state = 0
            for i in seq(1, K):
                value = best[0, i] + move[i, j]
                if value > largest:
                    largest = value
                    state = i
            best[1, j] = largest + score[t, j]
            origin[t, j] = wrap(B, state)
        top = best[1, 0]
        for k in seq(1, K):
            top = best[1, k] if best[1, k] > top else top
        for k in par(K):
            best[0, k] = best[1, k] - top if top > nothing else best[1, k]
    state = 0
    largest = best[0, 0]
    for k in seq(1, K):
        if best[0, k] > largest:
            largest = best[0, k]
            state = k
    if not largest > nothing and found == 0:
        found = impossible
    for t in par(T):
        y[t] = -1
    if found == 0:
        y[n - 1] = state
        for back in seq(1, n):
            state = widen(origin[n - back, state])
            y[n - 1 - back] = state
    after[0] = found
