"""Boxes, classes and scores from what a detector's network gives: TFLite_Detection_PostProcess, "fast" non-maximum suppression.

Each anchor's box is decoded from its centre and size. Of the anchors whose best class scores at least ``score_threshold``
the best is taken, those that overlap it too much are dropped, and so on, up to ``most`` boxes
(micro/kernels/detection_postprocess.cc). Of anchors with equal scores the first wins, as there. Decoding is in float32
(there in double), so boxes may differ in the last bits. Places beyond the boxes found are zeros (there they are left as
they were).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i8
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import assume, call, kernel, par, seq, vectorized, wrap
from skosh.language.mathf import exp
from skosh.ops.common import check_dtype, check_rank, given, required


@kernel
def detect(
    code: f32[B, E], score: f32[B, K], anchor: f32[B, 4], boxes: f32[D, 4], classes: f32[D], scores: f32[D],
    count: f32[1], corner: f32[B, 4], top: f32[B], alive: i8[B],
    y_scale: f32, x_scale: f32, h_scale: f32, w_scale: f32, least: f32, overlap: f32, *, first
):  # fmt: skip
    """D boxes at most; class k's score is score[b, first + k]."""
    for b in par(B):
        cy = code[b, 0] / y_scale * anchor[b, 2] + anchor[b, 0]
        cx = code[b, 1] / x_scale * anchor[b, 3] + anchor[b, 1]
        half_h = 0.5 * exp(code[b, 2] / h_scale) * anchor[b, 2]
        half_w = 0.5 * exp(code[b, 3] / w_scale) * anchor[b, 3]
        corner[b, 0] = cy - half_h
        corner[b, 1] = cx - half_w
        corner[b, 2] = cy + half_h
        corner[b, 3] = cx + half_w
        best = score[b, first]
        for k in seq(first + 1, K):
            best = max(best, score[b, k])
        top[b] = best
        alive[b] = wrap(i8, 1 if best >= least else 0)
    for i in par(D):
        for j in par(4):
            boxes[i, j] = 0.0
        classes[i] = 0.0
        scores[i] = 0.0
    found = 0
    for d in seq(D):
        pick = 0
        any = 0
        most = least
        for b in seq(B):
            if (alive[b] != 0) and ((any == 0) or (top[b] > most)):
                pick = b
                any = 1
                most = top[b]
        assume(0 <= pick < B)
        if any != 0:
            found = found + 1
            alive[pick] = wrap(i8, 0)
            chosen = first
            for k in seq(first + 1, K):
                assume(0 <= chosen < K)
                if score[pick, k] > score[pick, chosen]:
                    chosen = k
            for j in par(4):
                boxes[d, j] = corner[pick, j]
            classes[d] = f32(chosen - first)
            scores[d] = most
            area = (corner[pick, 2] - corner[pick, 0]) * (corner[pick, 3] - corner[pick, 1])
            for b in par(B):
                if alive[b] != 0:
                    other = (corner[b, 2] - corner[b, 0]) * (corner[b, 3] - corner[b, 1])
                    h = min(corner[b, 2], corner[pick, 2]) - max(corner[b, 0], corner[pick, 0])
                    w = min(corner[b, 3], corner[pick, 3]) - max(corner[b, 1], corner[pick, 1])
                    shared = max(h, 0.0) * max(w, 0.0)
                    if (area > 0.0) and (other > 0.0) and (shared / (area + other - shared) > overlap):
                        alive[b] = wrap(i8, 0)
    count[0] = f32(found)


@dataclass(frozen=True)
class Detect(Op):
    """boxes [1, D, 4] (top, left, bottom, right), classes and scores [1, D], and how many there are [1], all float32.

    Inputs: box codes [1, B, 4 or more] (y, x, height, width, against the anchor), scores [1, B, K], anchors [B, 4] (centre
    y and x, height, width). most: D; first: the first class in the scores, 1 where they begin with
    a background. scales: of y, x, height and width in the codes.
    """

    most: int
    first: int
    scales: tuple[float, float, float, float]
    score_threshold: float
    overlap_threshold: float
    kind = "detect"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        codes, scores, anchors = required(inputs, 3)
        check_rank(codes, 3)
        check_rank(scores, 3)
        check_rank(anchors, 2)
        for t in (codes, scores, anchors):
            check_dtype(t, f32)
        count = codes.shape[1]
        if codes.shape[0] != 1 or codes.shape[2] < 4 or scores.shape[:2] != (1, count) or anchors.shape != (count, 4):
            raise ModelError(
                "box codes must have shape [1, boxes, 4 or more], scores [1, boxes, classes] and anchors [boxes, 4], "
                f"not {list(codes.shape)}, {list(scores.shape)} and {list(anchors.shape)}"
            )
        if scores.shape[2] <= self.first or self.most < 1 or self.first not in (0, 1):
            raise ModelError(
                f"{self.most} boxes can't be told by {scores.shape[2]} scores, of which {self.first} are not meant"
            )
        if not 0 < self.overlap_threshold <= 1 or not all(s > 0 for s in self.scales):
            raise ModelError("the threshold of the overlap must be in (0, 1], and the scales of the codes positive")
        return Type((1, self.most, 4), f32), Type((1, self.most), f32), Type((1, self.most), f32), Type((1,), f32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        code, score, anchor = given(values, 0)[0], given(values, 1)[0][:, self.first :], given(values, 2)
        ys, xs, hs, ws = (np.float32(s) for s in self.scales)
        with np.errstate(all="ignore"):
            cy, cx = code[:, 0] / ys * anchor[:, 2] + anchor[:, 0], code[:, 1] / xs * anchor[:, 3] + anchor[:, 1]
            half_h = np.float32(0.5) * vectorized.apply(exp, code[:, 2] / hs) * anchor[:, 2]
            half_w = np.float32(0.5) * vectorized.apply(exp, code[:, 3] / ws) * anchor[:, 3]
        corner = np.stack([cy - half_h, cx - half_w, cy + half_h, cx + half_w], 1)
        top = larger_of(score)
        alive = top >= np.float32(self.score_threshold)
        slots = self.most
        boxes, classes, scores = (
            np.zeros((slots, 4), np.float32),
            np.zeros(slots, np.float32),
            np.zeros(slots, np.float32),
        )
        found = 0
        while found < self.most and alive.any():
            pick = int(np.argmax(np.where(alive, top, -np.inf)))
            alive[pick] = False
            boxes[found], classes[found], scores[found] = corner[pick], first_largest(score[pick]), top[pick]
            alive &= ~overlapping(corner, pick, np.float32(self.overlap_threshold))
            found += 1
        return boxes[None], classes[None], scores[None], np.array([found], np.float32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        codes, scores, _ = required(inputs, 3)
        count = codes.shape[1]
        ys, xs, hs, ws = self.scales
        return (
            call(
                detect, code=In(0), score=In(1), anchor=In(2), boxes=Out(0), classes=Out(1), scores=Out(2), count=Out(3),
                corner=Scratch(4 * count, f32, "corners"), top=Scratch(count, f32, "scores"), alive=Scratch(count, i8, "alive"),
                y_scale=ys, x_scale=xs, h_scale=hs, w_scale=ws, least=self.score_threshold, overlap=self.overlap_threshold,
                B=count, E=codes.shape[2], K=scores.shape[2], D=self.most, first=self.first,
            ),
        )  # fmt: skip


def overlapping(corner: Array, pick: int, threshold: np.float32) -> Array:
    """[B]: whether a box shares more than ``threshold`` of the union with box ``pick``. corner: [B, 4]."""
    mine = corner[pick]
    with np.errstate(all="ignore"):
        h = smaller(corner[:, 2], mine[2]) - larger(corner[:, 0], mine[0])
        w = smaller(corner[:, 3], mine[3]) - larger(corner[:, 1], mine[1])
        shared = larger(h, np.float32(0)) * larger(w, np.float32(0))
        areas = (corner[:, 2] - corner[:, 0]) * (corner[:, 3] - corner[:, 1])
        found = shared / (areas[pick] + areas - shared) > threshold
    return np.asarray(found & (areas > 0) & (areas[pick] > 0))


def larger(a: Array, b: Array | np.float32) -> Array:
    """The kernel language's max: b where either is NaN."""
    return np.where(a > b, a, b)


def smaller(a: Array, b: Array | np.float32) -> Array:
    """The kernel language's min: b where either is NaN."""
    return np.where(a < b, a, b)


def larger_of(score: Array) -> Array:
    """[B]: the largest score of each box, class by class."""
    best = score[:, 0]
    for k in range(1, score.shape[1]):
        best = larger(best, score[:, k])
    return best


def first_largest(score: Array) -> int:
    """The first class with the largest score; one that is NaN is never larger, and nothing is larger than it."""
    chosen = 0
    for k in range(1, len(score)):
        chosen = k if score[k] > score[chosen] else chosen
    return chosen
