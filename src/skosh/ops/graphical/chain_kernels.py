"""Hidden chains in the kernel language: scores of observations, the forward filter, smoothing, the most probable path.

T observations, K states. ``move[i, j]``: from state i to state j.
"""

from __future__ import annotations

from skosh.base.dtypes import f32, i16, i32
from skosh.language import from_bits, func, kernel, par, seq, trunc, widen, wrap
from skosh.language.mathf import INF, LN2_HIGH, LN2_LOW, LOG2_E, exp, log


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


# Probabilities are kept as logarithms, so that none is ever lost; 0 is what isn't above ``NOTHING``. A step of the chain
# takes them apart, exp(x) = part 2^power, and adds parts that are scaled to the largest power of a sum: no exponential for
# each move. Moves may have powers of two of their own: move[i, j] 2^shift[(i K + j) P], P = 0 where none is very small.

LOWEST = -1073741824
"""Below every power of two that occurs."""
LN2 = 0.6931472


@func
def power_of(x: f32) -> i32:
    """n with exp(x) about 2^n, for x <= 0; 0 for NaN. What is below -5e8 counts as that."""
    n = 0
    if x <= -5e8:
        n = -721347520
    elif x < 0.0:
        n = trunc(i32, x * LOG2_E - 0.5)
    return n


@func
def part_of(x: f32, n: i32) -> f32:
    """exp(x) / 2^n."""
    return exp(max(x, -5e8) - f32(n) * LN2_HIGH - f32(n) * LN2_LOW) if x == x else x


@func
def two_to(n: i32) -> f32:
    """2^n for n <= 0; 0 below the normal numbers."""
    return from_bits((max(n, -127) + 127) * 8388608)


@func
def log_of(total: f32, n: i32, zero: f32) -> f32:
    """The logarithm of total 2^n; ``zero`` where that is 0."""
    return zero if total == 0.0 else f32(n) * LN2 + log(total)


@kernel
def filter_step(
    score: f32[K], status: i32[1], move: f32[K, K], shift: i16[(K * K - 1) * P + 1], y: f32[K], predicted: f32[K],
    after: i32[1], log_y: f32[K], power: i32[K], *, nan: f32, nothing: f32, zero: f32, impossible, P
):  # fmt: skip
    """y = the probability of each state given all observations so far; predicted becomes (the logarithm of) the next step's.

    An observation that no state explains is passed over: y is NaN, and predicted moves on without it.
    """
    top = -INF
    for k in seq(K):
        log_y[k] = predicted[k] + score[k]
        top = log_y[k] if log_y[k] > top else top
    total = 0.0
    for k in seq(K):
        y[k] = exp(log_y[k] - top) if log_y[k] > nothing or log_y[k] != log_y[k] else 0.0
        total += y[k]
    found = status[0]
    if not (top > nothing and total > 0.0) and found == 0:
        found = impossible
    if found != 0:
        top = predicted[0]
        for k in seq(1, K):
            top = predicted[k] if predicted[k] > top else top
        for k in par(K):
            log_y[k] = predicted[k]
    for k in seq(K):
        y[k] = y[k] / total if found == 0 else nan
        x = log_y[k] - top
        power[k] = power_of(x)
        log_y[k] = part_of(x, power[k]) if log_y[k] > nothing else 0.0
    for j in par(K):
        high = LOWEST
        for i in seq(K):
            if log_y[i] > 0.0 and move[i, j] > 0.0:
                high = max(high, power[i] + widen(shift[(i * K + j) * P]))
        acc = 0.0
        for i in seq(K):
            acc += (log_y[i] * move[i, j]) * two_to(min(power[i] + widen(shift[(i * K + j) * P]) - high, 0))
        predicted[j] = log_of(acc, high, zero)
    after[0] = found


@kernel
def lag_step(
    score: f32[K], status: i32[1], move: f32[K, K], shift: i16[(K * K - 1) * P + 1], y: f32[K], window: f32[W, K],
    predicted: f32[K], held: i32[1], after: i32[1], behind: f32[K], work: f32[K], power: i32[K],
    *, nan: f32, nothing: f32, zero: f32, impossible, P
):  # fmt: skip
    """y = the probability of each state at the oldest of the last W observations, given all so far.

    held: observations in the window. When it is full, its oldest leaves: predicted, the state before it, moves on.
    A bad observation (status) counts as none: all states explain it alike.
    """
    n = held[0]
    if n >= W:
        top = -INF
        for k in seq(K):
            work[k] = predicted[k] + window[0, k]
            top = work[k] if work[k] > top else top
        if not top > nothing:
            top = predicted[0]
            for k in seq(1, K):
                top = predicted[k] if predicted[k] > top else top
            for k in par(K):
                work[k] = predicted[k]
        for k in seq(K):
            x = work[k] - top
            power[k] = power_of(x)
            work[k] = part_of(x, power[k]) if work[k] > nothing else 0.0
        for j in par(K):
            high = LOWEST
            for i in seq(K):
                if work[i] > 0.0 and move[i, j] > 0.0:
                    high = max(high, power[i] + widen(shift[(i * K + j) * P]))
            acc = 0.0
            for i in seq(K):
                acc += (work[i] * move[i, j]) * two_to(min(power[i] + widen(shift[(i * K + j) * P]) - high, 0))
            predicted[j] = log_of(acc, high, zero)
        for w in seq(W - 1):
            for k in par(K):
                window[w, k] = window[w + 1, k]
        n = W - 1
    for k in par(K):
        window[n, k] = score[k] if status[0] == 0 else 0.0
        behind[k] = 0.0
    held[0] = n + 1
    for back in seq(n):
        top = -INF
        for k in seq(K):
            work[k] = window[n - back, k] + behind[k]
            top = work[k] if work[k] > top else top
        for k in seq(K):
            x = work[k] - top
            power[k] = power_of(x)
            work[k] = part_of(x, power[k]) if work[k] > nothing else 0.0
        for i in par(K):
            high = LOWEST
            for j in seq(K):
                if work[j] > 0.0 and move[i, j] > 0.0:
                    high = max(high, power[j] + widen(shift[(i * K + j) * P]))
            acc = 0.0
            for j in seq(K):
                acc += (work[j] * move[i, j]) * two_to(min(power[j] + widen(shift[(i * K + j) * P]) - high, 0))
            behind[i] = log_of(acc, high, zero)
    top = -INF
    for k in seq(K):
        work[k] = (predicted[k] + window[0, k]) + behind[k]
        top = work[k] if work[k] > top else top
    total = 0.0
    for k in seq(K):
        y[k] = exp(work[k] - top) if work[k] > nothing or work[k] != work[k] else 0.0
        total += y[k]
    found = status[0]
    if not (top > nothing and total > 0.0) and found == 0:
        found = impossible
    for k in par(K):
        y[k] = y[k] / total if found == 0 else nan
    after[0] = found


@kernel
def forward_backward(
    score: f32[T, K], start: f32[K], move: f32[K, K], shift: i16[(K * K - 1) * P + 1], length: i32[1], status: i32[1],
    y: f32[T, K], after: i32[1], behind: f32[K], work: f32[K], power: i32[K],
    *, nan: f32, nothing: f32, zero: f32, impossible, bad, P
):  # fmt: skip
    """y[t, k] = the probability of state k at time t given the first ``length`` observations; 0 beyond them.

    Logarithms of forward probabilities, less the largest of each step, are kept in y; backward ones come after.
    """
    found = status[0]
    n = length[0]
    if n < 1 or n > T:
        found = bad
        n = 0
    for t in seq(n):
        if t == 0:
            for k in par(K):
                behind[k] = start[k]
        else:
            for k in seq(K):
                power[k] = power_of(y[t - 1, k])
                work[k] = part_of(y[t - 1, k], power[k]) if y[t - 1, k] > nothing else 0.0
            for j in par(K):
                high = LOWEST
                for i in seq(K):
                    if work[i] > 0.0 and move[i, j] > 0.0:
                        high = max(high, power[i] + widen(shift[(i * K + j) * P]))
                acc = 0.0
                for i in seq(K):
                    acc += (work[i] * move[i, j]) * two_to(min(power[i] + widen(shift[(i * K + j) * P]) - high, 0))
                behind[j] = log_of(acc, high, zero)
        top = -INF
        for k in seq(K):
            y[t, k] = behind[k] + score[t, k]
            top = y[t, k] if y[t, k] > top else top
        total = 0.0
        for k in seq(K):
            y[t, k] = y[t, k] - top if y[t, k] > nothing or y[t, k] != y[t, k] else zero
            total += y[t, k]
        if not (top > nothing and total == total) and found == 0:
            found = impossible
    for k in par(K):
        behind[k] = 0.0
    for back in seq(n):
        t = n - 1 - back
        if back > 0:
            top = -INF
            for k in seq(K):
                work[k] = score[t + 1, k] + behind[k]
                top = work[k] if work[k] > top else top
            for k in seq(K):
                x = work[k] - top
                power[k] = power_of(x)
                work[k] = part_of(x, power[k]) if work[k] > nothing else 0.0
            for i in par(K):
                high = LOWEST
                for j in seq(K):
                    if work[j] > 0.0 and move[i, j] > 0.0:
                        high = max(high, power[j] + widen(shift[(i * K + j) * P]))
                acc = 0.0
                for j in seq(K):
                    acc += (work[j] * move[i, j]) * two_to(min(power[j] + widen(shift[(i * K + j) * P]) - high, 0))
                behind[i] = log_of(acc, high, zero)
        top = -INF
        for k in seq(K):
            work[k] = y[t, k] + behind[k]
            top = work[k] if work[k] > top else top
        total = 0.0
        for k in seq(K):
            y[t, k] = exp(work[k] - top) if work[k] > nothing else 0.0
            total += y[t, k]
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
def sequence_score(
    score: f32[T, K], start: f32[K], move: f32[K, K], shift: i16[(K * K - 1) * P + 1], status: i32[1],
    y: f32[1], ahead: f32[K], work: f32[K], power: i32[K], *, nan: f32, nothing: f32, zero: f32, P
):  # fmt: skip
    """y = the logarithm of the likelihood of all T observations; -inf where it is 0. NaN where the status is not 0.

    The largest of each step is taken out and added up, in two parts (Dekker's fast two-sum).
    """
    acc = 0.0
    rest = 0.0
    possible = 1
    for t in seq(T):
        if t == 0:
            for k in par(K):
                ahead[k] = start[k]
        else:
            for k in seq(K):
                power[k] = power_of(work[k])
                work[k] = part_of(work[k], power[k]) if work[k] > nothing else 0.0
            for j in par(K):
                high = LOWEST
                for i in seq(K):
                    if work[i] > 0.0 and move[i, j] > 0.0:
                        high = max(high, power[i] + widen(shift[(i * K + j) * P]))
                total = 0.0
                for i in seq(K):
                    total += (work[i] * move[i, j]) * two_to(min(power[i] + widen(shift[(i * K + j) * P]) - high, 0))
                ahead[j] = log_of(total, high, zero)
        top = -INF
        for k in seq(K):
            work[k] = ahead[k] + score[t, k]
            top = work[k] if work[k] > top else top
        if not top > nothing:
            possible = 0
        for k in seq(K):
            work[k] = work[k] - top if work[k] > nothing or work[k] != work[k] else zero
        total = acc + top
        size = -acc if acc < 0.0 else acc
        other = -top if top < 0.0 else top
        rest += acc - (total - top) if other > size else top - (total - acc)
        acc = total
    total = 0.0
    for k in seq(K):
        total += exp(work[k]) if work[k] > nothing or work[k] != work[k] else 0.0
    y[0] = acc + (rest + log(total)) if possible != 0 else -INF
    if status[0] != 0:
        y[0] = nan


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
