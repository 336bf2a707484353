"""The unit "lanes": sixteen int8 products a cycle from two scratchpads, and requantization to bytes. And a small one, "quads".

Weights and inputs are loaded once; ``dot4`` then gives four outputs of a dense layer or a pixel, ``window`` and ``finish``
sixteen channels of a depthwise one. State goes by name: an instruction names the registers and memories that it touches.

Requantization rounds twice, as TensorFlow Lite Micro does, in the form for sums below 2^30 (``requantize_bounded``).
"""

from __future__ import annotations

from skosh.language import clamp, func, instr, kernel, seq, widen, wrap

INPUT_ROWS = 512
"""Rows of sixteen inputs."""

FILTER_ROWS = 512
"""Rows of sixteen weights."""

CHANNELS = 256
"""Outputs of which bias and scale are held."""


@func
def cut(x: i32) -> i32:
    """x: in hardware, a register, so that what is before it and what is after it take a cycle each."""
    return x


@func
def cut_long(x: i64) -> i64:
    """x: in hardware, a register."""
    return x


@func
def rescaled(x: i32, multiplier: i32, right: i32) -> i32:
    """requantize_bounded, with a register after the product and one after its upper half; 1 <= right <= 31, any x."""
    product = cut_long(i64(x) * i64(multiplier))
    high = cut(wrap(i32, (product + 1073741824) >> 31))
    halves = (i64(high) + i64(high >> 31)) >> (right - 1)
    return wrap(i32, (halves + 1) >> 1)


@instr(unit="lanes", number=0)
@kernel
def set_outputs(offset: i16[1], zero: i8[1], low: i8[1], high: i8[1], *, a: u32, b: u32):
    """What is added to inputs (minus their zero point: 9 bits of a), the outputs' zero point and bounds (bytes of b)."""
    offset[0] = wrap(i16, (wrap(i32, a << 23)) >> 23)
    zero[0] = wrap(i8, b)
    low[0] = wrap(i8, b >> 8)
    high[0] = wrap(i8, b >> 16)


@instr(unit="lanes", number=1)
@kernel
def set_shape(depth: u16[1], width: u16[1], columns: u8[1], *, a: u32, b: u32):
    """Rows of a filter (a); pixels in a row of the image, and columns of the window (halves of b)."""
    depth[0] = wrap(u16, a & 511)
    width[0] = wrap(u16, b & 511)
    columns[0] = wrap(u8, (b >> 16) & 63)


@instr(unit="lanes", number=2)
@kernel
def begin_loading(load_input: u16[1], load_filter: u16[1], load_channel: u8[1], half: u8[1], *, a: u32, b: u32):
    """The next inputs go to row a and on, the next filters to row b, the next channels to the first one."""
    load_input[0] = wrap(u16, a & 511)
    load_filter[0] = wrap(u16, b & 511)
    load_channel[0] = wrap(u8, wrap(u32, 0))
    half[0] = wrap(u8, wrap(u32, 0))


@instr(unit="lanes", number=3)
@kernel
def put_input(inputs: i8[INPUT_ROWS, 16], load_input: u16[1], half: u8[1], *, a: u32, b: u32):
    """Eight inputs: half a row."""
    for h in seq(2):
        if widen(half[0]) == h:
            for j in seq(4):
                inputs[widen(load_input[0]), 8 * h + j] = wrap(i8, a >> 8 * j)
                inputs[widen(load_input[0]), 8 * h + 4 + j] = wrap(i8, b >> 8 * j)
    load_input[0] = wrap(u16, (widen(load_input[0]) + widen(half[0])) & 511)
    half[0] = wrap(u8, 1 - (widen(half[0]) & 1))


@instr(unit="lanes", number=4)
@kernel
def put_filter(filters: i8[FILTER_ROWS, 16], load_filter: u16[1], half: u8[1], *, a: u32, b: u32):
    """Eight weights: half a row."""
    for h in seq(2):
        if widen(half[0]) == h:
            for j in seq(4):
                filters[widen(load_filter[0]), 8 * h + j] = wrap(i8, a >> 8 * j)
                filters[widen(load_filter[0]), 8 * h + 4 + j] = wrap(i8, b >> 8 * j)
    load_filter[0] = wrap(u16, (widen(load_filter[0]) + widen(half[0])) & 511)
    half[0] = wrap(u8, 1 - (widen(half[0]) & 1))


@instr(unit="lanes", number=5)
@kernel
def put_bias(bias: i32[CHANNELS], right: i8[CHANNELS], load_channel: u8[1], *, a: i32, b: u32):
    """The bias of a channel, and how far its sums are shifted right (1 to 30)."""
    bias[widen(load_channel[0])] = a
    right[widen(load_channel[0])] = wrap(i8, b & 31)


@instr(unit="lanes", number=6)
@kernel
def put_multiplier(multiplier: i32[CHANNELS], load_channel: u8[1], *, a: i32):
    """The multiplier of a channel; the next ones are those of the channel after it."""
    multiplier[widen(load_channel[0])] = a
    load_channel[0] = wrap(u8, widen(load_channel[0]) + 1)


@instr(unit="lanes", number=7)
@kernel
def begin_pixel(pixel: u16[1], row: u16[1], channel: u8[1], *, a: u32, b: u32):
    """The next outputs are those of the inputs from row a on, of the filters from row b on, and of the first channel."""
    pixel[0] = wrap(u16, a & 511)
    row[0] = wrap(u16, b & 511)
    channel[0] = wrap(u8, wrap(u32, 0))


@func
def of_24_bits(x: i32) -> i32:
    """x modulo 2^24."""
    return wrap(i32, wrap(u32, x) << 8) >> 8


@func
def of_17_bits(x: i32) -> i32:
    """x modulo 2^17, which holds the product of a byte and a sum of two."""
    return wrap(i32, wrap(u32, x) << 15) >> 15


@instr(unit="lanes", number=8)
@kernel
def compute(
    inputs: i8[INPUT_ROWS, 16], filters: i8[FILTER_ROWS, 16], bias: i32[CHANNELS], multiplier: i32[CHANNELS],
    right: i8[CHANNELS], offset: i16[1], zero: i8[1], low: i8[1], high: i8[1], depth: u16[1], width: u16[1],
    columns: u8[1], pixel: u16[1], row: u16[1], channel: u8[1], sums: i32[16], out: u32[1], *, a: u32, b: u32
):  # fmt: skip
    """One of three things, as b & 3 says.

    0: four outputs, the first in the lowest byte, of the next four filters, with ``depth`` rows each. 1: ``sums`` of sixteen
    channels under a window of (b >> 8 & 255) taps, (b >> 16 & 63) in a row; a: row of the first input, and above 16, of the
    first weights. 2: four outputs from the sums of lane a on, of the channels from (a >> 16) on.
    """
    mode = b & 3
    length = widen(depth[0])
    x_jump = (0 - widen(depth[0])) & 511
    f_jump = 0
    count = 4 * widen(depth[0])
    x_row = widen(pixel[0])
    f_row = widen(row[0])
    at = widen(channel[0])
    lane = wrap(i32, a & 15)
    if mode == 1:
        length = wrap(i32, (b >> 16) & 63)
        count = wrap(i32, (b >> 8) & 255)
        x_jump = (widen(width[0]) - length) & 511
        f_jump = (widen(columns[0]) - length) & 511
        x_row = wrap(i32, a & 511)
        f_row = wrap(i32, (a >> 16) & 511)
    if mode == 2:
        length = 1
        count = 4
        at = wrap(i32, (a >> 16) & 255)
    acc = 0
    step = 0
    packed = wrap(u32, 0)
    for k in seq(count):
        products = register(i32[16])
        total = 0
        for j in seq(16):
            products[j] = cut(of_17_bits((widen(inputs[x_row, j]) + widen(offset[0])) * widen(filters[f_row, j])))
            total += products[j]
        first = step == 0
        step = (step + 1) & 511
        x_row = (x_row + 1) & 511
        f_row = (f_row + 1) & 511
        last = step == length
        if last:
            step = 0
            x_row = (x_row + x_jump) & 511
            f_row = (f_row + f_jump) & 511
        if mode == 1:
            for j in seq(16):
                sums[j] = of_24_bits((0 if k == 0 else sums[j]) + products[j])
        acc = wrap(i32, i64(bias[at] if first else acc) + i64(cut(total)))
        value = acc
        if mode == 2:
            value = wrap(i32, i64(sums[(lane + k) & 15]) + i64(bias[at]))
        scaled = rescaled(cut(value), multiplier[at], max(widen(right[at]), 1))
        if last and mode != 1:
            packed = (packed >> 8) | (wrap(u32, clamp(cut(scaled) + widen(zero[0]), widen(low[0]), widen(high[0]))) << 24)
            at = (at + 1) & 255
    if mode == 0:
        row[0] = wrap(u16, f_row)
        channel[0] = wrap(u8, at)
    out[0] = packed


@instr(unit="lanes", number=9)
@kernel
def sum_of(sums: i32[16], out: i32[1], *, a: u32):
    """The sum of lane a, as ``compute`` left it."""
    out[0] = sums[wrap(i32, a & 15)]


# ------------------------------------------------------------------------------------------------ the unit "quads"


@instr(unit="quads", number=0)
@kernel
def set_quad_outputs(offset: i16[1], zero: i8[1], low: i8[1], high: i8[1], *, a: u32, b: u32):
    """What is added to inputs (minus their zero point: 9 bits of a), the outputs' zero point and bounds (bytes of b)."""
    offset[0] = wrap(i16, (wrap(i32, a << 23)) >> 23)
    zero[0] = wrap(i8, b)
    low[0] = wrap(i8, b >> 8)
    high[0] = wrap(i8, b >> 16)


@instr(unit="quads", number=1, latency=1)
@kernel
def begin_sum(acc: i32[1], *, a: i32):
    """A new sum begins at a bias."""
    acc[0] = a


@instr(unit="quads", number=2, latency=1)
@kernel
def mac4(acc: i32[1], offset: i16[1], *, a: u32, b: u32):
    """acc += the products of four inputs (bytes of a), with the offset added, and four weights (bytes of b); wraps."""
    total = 0
    for j in seq(4):
        total += of_17_bits((widen(wrap(i8, a >> 8 * j)) + widen(offset[0])) * widen(wrap(i8, b >> 8 * j)))
    acc[0] = wrap(i32, i64(acc[0]) + i64(total))


@instr(unit="quads", number=3, latency=4)
@kernel
def finish_sum(acc: i32[1], zero: i8[1], low: i8[1], high: i8[1], out: i32[1], *, a: i32, b: i32):
    """The sum times multiplier a, shifted right by b, plus the zero point, clamped: an output."""
    scaled = rescaled(acc[0], a, max(b & 31, 1))
    out[0] = clamp(cut(scaled) + widen(zero[0]), widen(low[0]), widen(high[0]))
