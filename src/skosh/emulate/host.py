"""Compiled models on this computer: a shared library called through ctypes with numpy arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.errors import InputError, ToolError

Array = npt.NDArray[Any]
LayerDone = Callable[[int, memoryview], None]

#: The global function pointer ``void (*skosh_layer_done)(int layer, const void *arena)`` of a harness that traces.
TRACE_SYMBOL = "skosh_layer_done"
_LAYER_DONE = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)


class HostModel:
    """The function ``<prefix>_run(inputs..., outputs..., arena)`` of a shared library, with an arena of its own.

    arena_bytes, arena_align: ``<PREFIX>_ARENA_BYTES`` and ``_ALIGN`` of the model's header. The arena starts as zeros
    and lives as long as this object, and so does the state of a model.

    Raises ToolError when the library can't be loaded or has no such function.
    """

    def __init__(self, library: Path, prefix: str, *, arena_bytes: int, arena_align: int = 16) -> None:
        try:
            self.library = ctypes.CDLL(str(library))
        except OSError as error:
            raise ToolError(f"{library}: can't load: {error}") from error
        self._run = self.function(f"{prefix}_run")
        self.arena = aligned(arena_bytes, arena_align)

    def function(self, name: str) -> Any:
        """A function of the library; it takes pointers and gives int."""
        try:
            return getattr(self.library, name)
        except AttributeError as error:
            raise ToolError(f'the library has no function "{name}"') from error

    def call(self, inputs: Sequence[Array], outputs: Sequence[Array], on_layer: LayerDone | None = None) -> int:
        """Runs the model once; ``outputs`` are written in place. Gives its status, 0 when all is well.

        Arrays must be C-contiguous, of the model's types and sizes: C can't check. ``on_layer(layer, arena)`` is called
        after each layer when the library was built with a tracing harness (see TRACE_SYMBOL).
        """
        for array in (*inputs, *outputs):
            if not array.flags.c_contiguous:
                raise InputError(f"inputs and outputs must be C-contiguous, not strided {array.strides}")
        for array in outputs:
            if not array.flags.writeable:
                raise InputError("outputs must be writeable arrays")
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*inputs, *outputs, self.arena)]
        with _Tracing(self.library, self.arena, on_layer):
            return int(self._run(*pointers))


class _Tracing:
    """Sets the library's layer callback for the length of a with block, and raises what it raised."""

    def __init__(self, library: ctypes.CDLL, arena: Array, on_layer: LayerDone | None) -> None:
        self._library, self._arena, self._on_layer = library, arena, on_layer
        self._error: BaseException | None = None

    def __enter__(self) -> None:
        if self._on_layer is None:
            return
        on_layer, arena = self._on_layer, memoryview(self._arena.data)

        def done(layer: int, _: int) -> None:
            if self._error is None:
                try:
                    on_layer(layer, arena)
                except BaseException as error:  # ctypes would print and forget it
                    self._error = error

        self._callback = _LAYER_DONE(done)
        self._pointer().value = ctypes.cast(self._callback, ctypes.c_void_p).value

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._on_layer is not None:
            self._pointer().value = None
            if self._error is not None:
                raise self._error

    def _pointer(self) -> ctypes.c_void_p:
        try:
            return ctypes.c_void_p.in_dll(self._library, TRACE_SYMBOL)
        except ValueError as error:
            hint = "build it with a harness that traces"
            raise ToolError(f'the library has no "{TRACE_SYMBOL}"', hint=hint) from error


def aligned(size: int, align: int) -> npt.NDArray[np.uint8]:
    """``size`` zero bytes that begin at a multiple of ``align``, a power of two."""
    assert align > 0 and align & (align - 1) == 0, f"alignment must be a power of two, not {align}"
    room = np.zeros(size + align, dtype=np.uint8)
    start = -room.ctypes.data % align
    return room[start : start + size]
