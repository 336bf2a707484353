"""Text in the kernel language: bytes to words or characters, runs of them, and how often each run is there.

A stream is bytes that end with a zero byte. Of words: one space between two, none at the ends. Of characters: the text
itself, or, ``padded``, each word between two spaces that neighbours share. A character is a byte and the continuation
bytes (10xxxxxx) behind it, as in UTF-8.
"""

from __future__ import annotations

from skosh.base.dtypes import f32, i32, u8, u32
from skosh.language import bounded, func, kernel, par, ram, seq, sqrt, widen, wrap
from skosh.language.mathf import log


@func
def is_letter(c: i32, before: i32, earlier: i32, after: i32) -> i32:
    r"""1 where the byte c is part of a word. As \w for U+0000 to U+00FF and U+2000 to U+203F; beyond, every byte is.

    before, earlier, after: the bytes around it.
    """
    y = 1
    if c < 128:
        digit = c >= 48 and c <= 57
        y = 1 if digit or (c >= 65 and c <= 90) or c == 95 or (c >= 97 and c <= 122) else 0
    elif c == 194 or before == 194:
        x = after if c == 194 else c
        y = 1 if x == 170 or x == 178 or x == 179 or x == 181 or x == 185 or x == 186 or (x >= 188 and x <= 190) else 0
    elif c == 195 or before == 195:
        x = after if c == 195 else c
        y = 0 if x == 151 or x == 183 else 1
    elif (c == 226 and after == 128) or (c == 128 and before == 226) or (before == 128 and earlier == 226):
        y = 0
    return y


@func
def lowered(c: i32, before: i32) -> i32:
    """The byte c of a lower-case letter; exact for U+0000 to U+00FF."""
    capital = (c >= 65 and c <= 90) or (before == 195 and c >= 128 and c <= 158 and c != 151)
    return c + 32 if capital else c


@func
def is_space(c: i32) -> i32:
    """1 for ASCII's white space."""
    return 1 if (c >= 9 and c <= 13) or (c >= 28 and c <= 32) else 0


@func
def continues(c: i32) -> i32:
    """1 for a byte that continues a character."""
    return 1 if (c & 192) == 128 else 0


@func
def rotated(x: u32, n: i32) -> u32:
    """x, its upper n bits at the other end; 0 < n < 32."""
    return (x << n) | (x >> (32 - n))


@func
def mixed(k: u32) -> u32:
    """A word of the key, as MurmurHash3 (x86, 32 bits) takes it in."""
    return rotated(k * u32(0xCC9E2D51), 15) * u32(0x1B873593)


@func
def finished(h: u32) -> i32:
    """MurmurHash3's last step; as a signed number."""
    x = (h ^ (h >> 16)) * u32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * u32(0xC2B2AE35)
    return wrap(i32, x ^ (x >> 16))


# ---------------------------------------------------------------------------------------------------------------- streams


@kernel
def find_term(stream: u8[N], letters: u8[L], begin: B[V], found: i32[1], *, first, last):
    """found = the place of stream[first:last] among sorted terms, v being letters[begin[v]:begin[v + 1]], v < V - 1; or -1."""
    low = 0
    high = V - 1
    size = last - first
    found[0] = -1
    while bounded(low < high, 32):
        middle = (low + high) >> 1
        place = widen(begin[middle])
        length = widen(begin[middle + 1]) - place
        k = 0
        while bounded(k < size and k < length and stream[first + k] == letters[place + k], N):
            k += 1
        if k == size and k == length:
            found[0] = middle
            low = high
        elif k < length and (k == size or widen(stream[first + k]) < widen(letters[place + k])):
            high = middle
        else:
            low = middle + 1


@kernel
def words(text: u8[N], letters: u8[L], begin: B[V], y: u8[N + 1], *, lower, shortest, stop):
    """y = the words of ``text`` that have at least ``shortest`` characters and, where ``stop``, are no terms; then zeros.

    Text ends with its first zero byte, or with the buffer. Between two words there is one space.
    """
    found = ram(i32[1])
    end = 0  # of what is written
    start = 0  # of the last word in it
    characters = 0
    earlier = 0
    before = 0
    more = 1
    at = 0
    while bounded(more == 1, N + 1):
        c = 0
        after = 0
        if at < N:
            c = widen(text[at])
        if at + 1 < N:
            after = widen(text[at + 1])
        if c == 0:
            more = 0  # after the last word has ended below
        if is_letter(c, before, earlier, after) == 1:
            y[end] = wrap(u8, lowered(c, before) if lower == 1 else c)
            end += 1
            characters += 1 - continues(c)
        elif end > start:
            found[0] = -1
            if stop == 1:
                find_term(y, letters, begin, found, first=start, last=end, B=B)
            if characters < shortest or found[0] >= 0:
                end = start
            else:
                y[end] = 32
                end += 1
                start = end
            characters = 0
        earlier = before
        before = c
        at += 1
    if end > 0:
        end -= 1
    for i in seq(end, N + 1):
        y[i] = 0


@kernel
def characters(text: u8[N], y: u8[M], *, lower, padded):
    """y = ``text``, white space of two characters or more made one space; ``padded``: each word between spaces. Then zeros."""
    end = 0
    blanks = 0
    before = 0
    at = 0
    if padded == 1:
        y[0] = 32
        end = 1
    while bounded(at < N and widen(text[at]) != 0, N):
        c = widen(text[at])
        if is_space(c) == 1:
            blanks += 1
            if padded == 1:
                if widen(y[end - 1]) != 32:
                    y[end] = 32
                    end += 1
            elif blanks == 1:
                y[end] = wrap(u8, c)
                end += 1
            else:
                y[end - 1] = 32
        else:
            y[end] = wrap(u8, lowered(c, before) if lower == 1 else c)
            end += 1
            blanks = 0
        before = c
        at += 1
    if padded == 1:
        if widen(y[end - 1]) != 32:
            y[end] = 32
            end += 1
        if end == 1:
            end = 0
    for i in seq(end, M):
        y[i] = 0


# ------------------------------------------------------------------------------------------------------------------- runs


@kernel
def count_term(stream: u8[N], letters: u8[L], begin: B[V], y: f32[F], *, first, last, binary):
    """One more in y where stream[first:last] is a term."""
    found = ram(i32[1])
    find_term(stream, letters, begin, found, first=first, last=last, B=B)
    place = found[0]
    if place >= 0:
        y[place] = 1.0 if binary == 1 else y[place] + 1.0


@kernel
def count_hash(stream: u8[N], y: f32[F], *, first, last, binary, signed):
    """One more, or less where the hash is negative and ``signed``, in y at the hash of stream[first:last] modulo F.

    MurmurHash3 (x86, 32 bits) with seed 0; of -2^31 as of its magnitude.
    """
    h = u32(0)
    at = first
    while bounded(at + 4 <= last, N):
        k = wrap(u32, widen(stream[at])) | (wrap(u32, widen(stream[at + 1])) << 8)
        k = k | (wrap(u32, widen(stream[at + 2])) << 16) | (wrap(u32, widen(stream[at + 3])) << 24)
        h = rotated(h ^ mixed(k), 13) * u32(5) + u32(0xE6546B64)
        at += 4
    if at < last:
        rest = wrap(u32, widen(stream[at]))
        if at + 1 < last:
            rest = rest | (wrap(u32, widen(stream[at + 1])) << 8)
        if at + 2 < last:
            rest = rest | (wrap(u32, widen(stream[at + 2])) << 16)
        h = h ^ mixed(rest)
    hashed = finished(h ^ wrap(u32, last - first))
    size = wrap(u32, hashed) if hashed >= 0 else u32(0) - wrap(u32, hashed)
    place = wrap(i32, size % wrap(u32, F))
    step = -1.0 if signed == 1 and hashed < 0 else 1.0
    y[place] = 1.0 if binary == 1 else y[place] + step


@kernel
def word_terms(stream: u8[N], letters: u8[L], begin: B[V], y: f32[F], *, least, most, binary):
    """y[v] = how often term v is among the runs of ``least`` to ``most`` words; ``binary``: 1 if it is."""
    for f in par(F):
        y[f] = 0.0
    start = 0
    while bounded(widen(stream[start]) != 0, N):
        end = start
        next = start
        for n in seq(1, most + 1):
            if n == 1 or widen(stream[end]) == 32:
                end += 1
                while bounded(widen(stream[end]) > 32, N):
                    end += 1
                if n == 1:
                    next = end
                if n >= least:
                    count_term(stream, letters, begin, y, first=start, last=end, binary=binary, B=B)
        start = next + 1 if widen(stream[next]) == 32 else next


@kernel
def word_hashes(stream: u8[N], y: f32[F], *, least, most, binary, signed):
    """The runs of ``least`` to ``most`` words, each counted at its hash."""
    for f in par(F):
        y[f] = 0.0
    start = 0
    while bounded(widen(stream[start]) != 0, N):
        end = start
        next = start
        for n in seq(1, most + 1):
            if n == 1 or widen(stream[end]) == 32:
                end += 1
                while bounded(widen(stream[end]) > 32, N):
                    end += 1
                if n == 1:
                    next = end
                if n >= least:
                    count_hash(stream, y, first=start, last=end, binary=binary, signed=signed)
        start = next + 1 if widen(stream[next]) == 32 else next


@kernel
def character_terms(stream: u8[N], letters: u8[L], begin: B[V], y: f32[F], *, least, most, binary, padded):
    """y[v] = how often term v is among the runs of ``least`` to ``most`` characters; ``padded``: of one word and its spaces.

    A word that is shorter than ``least``, with its spaces, counts as one run.
    """
    for f in par(F):
        y[f] = 0.0
    begins = 0
    while bounded(widen(stream[begins]) != 0 and (padded == 0 or widen(stream[begins + 1]) != 0), N):
        ends = begins + 1
        while bounded(widen(stream[ends]) != 0 and (padded == 0 or widen(stream[ends]) != 32), N):
            ends += 1
        if padded == 1:
            ends += 1
        start = begins
        while bounded(start < ends, N):
            end = start
            for n in seq(1, most + 1):
                if end < ends:
                    end += 1
                    while bounded(end < ends and continues(widen(stream[end])) == 1, N):
                        end += 1
                    if n >= least or (padded == 1 and start == begins and end == ends):
                        count_term(stream, letters, begin, y, first=start, last=end, binary=binary, B=B)
            start += 1
            while bounded(start < ends and continues(widen(stream[start])) == 1, N):
                start += 1
        begins = ends - padded


@kernel
def character_hashes(stream: u8[N], y: f32[F], *, least, most, binary, signed, padded):
    """The runs of ``least`` to ``most`` characters, each counted at its hash; as ``character_terms``."""
    for f in par(F):
        y[f] = 0.0
    begins = 0
    while bounded(widen(stream[begins]) != 0 and (padded == 0 or widen(stream[begins + 1]) != 0), N):
        ends = begins + 1
        while bounded(widen(stream[ends]) != 0 and (padded == 0 or widen(stream[ends]) != 32), N):
            ends += 1
        if padded == 1:
            ends += 1
        start = begins
        while bounded(start < ends, N):
            end = start
            for n in seq(1, most + 1):
                if end < ends:
                    end += 1
                    while bounded(end < ends and continues(widen(stream[end])) == 1, N):
                        end += 1
                    if n >= least or (padded == 1 and start == begins and end == ends):
                        count_hash(stream, y, first=start, last=end, binary=binary, signed=signed)
            start += 1
            while bounded(start < ends and continues(widen(stream[start])) == 1, N):
                start += 1
        begins = ends - padded


# ---------------------------------------------------------------------------------------------------------------- weights


@kernel
def term_weights(x: f32[F], scale: f32[F], y: f32[F], *, sublinear, norm):
    """y = x, or 1 + log(x), times scale; over the sum of magnitudes (norm 1) or the length (norm 2). Zeros stay."""
    total = 0.0
    for f in seq(F):
        v = x[f]
        if v != 0.0:
            if sublinear == 1:
                v = log(v) + 1.0
            v = v * scale[f]
            total += v * v if norm == 2 else (v if v > 0.0 else -v)
        y[f] = v
    if norm == 2:
        total = sqrt(total)
    if norm != 0 and total > 0.0:
        for f in seq(F):
            if y[f] != 0.0:
                y[f] = y[f] / total


@kernel
def sparse_dense(x: f32[K], w: f32[K, N], bias: f32[N], y: f32[N]):
    """y[n] = bias[n] + sum over k of x[k] * w[k, n], without the k where x is 0."""
    for n in par(N):
        y[n] = bias[n]
    for k in seq(K):
        v = x[k]
        if v != 0.0:
            for n in par(N):
                y[n] += v * w[k, n]
