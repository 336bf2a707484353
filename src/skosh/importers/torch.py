"""PyTorch: a module and an example of its input become a Graph, by way of torch.export and ONNX.

torch.onnx does what every importer of PyTorch must do: it traces, takes the operators apart, and names the weights. So there is
one table of operators, that of ``importers.onnx``.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from skosh.base.errors import InputError, ModelError, ToolError
from skosh.importers.onnx import load as load_onnx
from skosh.ir.graph import Graph

FILE = "<torch>"
OPSET = 20  # the first with GELU as one operator


def load(
    source: Any, name: str | None = None, *, example: Any = None, layout: str = "nchw", trust_pickle: bool = False
) -> Graph:
    """A Graph that computes what ``module.eval()(example)`` does, or what a program of ``torch.export`` does.

    example: an array or tensor, or a tuple of several, batch first; its shape is the model's. layout: see ``importers.onnx``.
    trust_pickle: let PyTorch read a ``.pt2`` file, which may run what is in it.
    Raises InputError without an example, ModelError when torch.export can't trace the module, and one UnsupportedError with
    every operator that can't be compiled.
    """
    if isinstance(source, (str, Path)):
        name = name or Path(source).stem
        source = program_in(Path(source), trust_pickle)
    import torch

    program = isinstance(source, torch.export.ExportedProgram)
    if not program and not isinstance(source, torch.nn.Module):
        raise InputError(f"a PyTorch model must be a torch.nn.Module, not a {type(source).__name__}", loc=FILE)
    if program and example is None:  # a program keeps the one that it was traced with
        example = source.example_inputs[0] if source.example_inputs is not None else None
    if example is None:
        raise InputError("a PyTorch model must come with an example", loc=FILE, hint="load(module, example=x[:1])")
    try:
        import onnxscript  # noqa: F401  torch.onnx needs it
    except ImportError as error:
        raise ToolError("reading PyTorch needs the onnxscript package", hint='pip install "skosh[torch]"') from error
    try:
        inputs = tuple(torch.as_tensor(x) for x in (example if isinstance(example, (tuple, list)) else (example,)))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"an example must be an array or a tensor, or a tuple of them: {error}", loc=FILE) from error
    return load_onnx(exported(source, inputs), name or ("model" if program else snake(type(source).__name__)), layout=layout)


def program_in(path: Path, trust: bool) -> Any:
    """The ``torch.export`` program of a ``.pt2`` file. PyTorch reads it, and parts of it may be pickles."""
    if path.suffix.lower() != ".pt2":
        raise InputError(
            "must be a program of torch.export (.pt2): a .pt or .pth file holds weights without the module they belong to",
            loc=str(path),
            hint="load the weights into the module, then skosh.load(module, example=x) in Python, or torch.export.save a .pt2",
        )
    if not path.is_file():
        raise InputError("can't be read: no such file or directory", loc=str(path))
    if not trust:
        raise InputError(
            "reading a .pt2 file may run whatever code its author put into it, so it must be trusted first",
            loc=str(path),
            hint="trust_pickle=True if you know who made it; ONNX files are the safe way",
        )
    try:
        import torch
    except ImportError as error:
        raise ToolError("reading a .pt2 file needs PyTorch", hint='pip install "skosh[torch]"') from error
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(path)
    except Exception as error:  # whatever PyTorch's readers raise of a damaged file
        raise ModelError(f"PyTorch can't read this program: {reason_of(error)}", loc=str(path)) from error
    finally:
        logging.disable(quiet)


def exported(module: Any, inputs: tuple[Any, ...]) -> Any:
    """The module as an onnx.ModelProto; its training mode is as it was afterwards."""
    import torch

    training = getattr(module, "training", False)
    evaluated = isinstance(module, torch.nn.Module)
    if evaluated:
        try:
            module.eval()
        except NotImplementedError:  # what pt2e and torch.export give is as it is
            evaluated = False
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # torch logs pages of its own frames: the letter below says what matters
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                program = torch.onnx.export(module, inputs, dynamo=True, opset_version=OPSET, verbose=False)
            except torch.onnx.errors.OnnxExporterError as error:
                if type(error).__name__ != "ConversionError":
                    raise
                # it was traced, but some operator is unknown as it is: taken apart first
                whole = torch.export.export(module, inputs) if isinstance(module, torch.nn.Module) else module
                parts = whole.run_decompositions()
                program = torch.onnx.export(parts, dynamo=True, opset_version=OPSET, verbose=False)
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise ModelError(
            f"torch.export must be able to trace the module: {reason_of(error)}",
            loc=FILE,
            hint="avoid branches that depend on values, and give an example of the right shape",
        ) from error
    finally:
        logging.disable(quiet)
        if evaluated:
            module.train(training)
    if program is None:
        raise ModelError("torch.onnx must give a program", loc=FILE)
    return program.model_proto


def reason_of(error: BaseException) -> str:
    """The first line that says something, of the error that started it all."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()]
    return next((line for line in lines if line), type(error).__name__)


def snake(name: str) -> str:
    """``TinyNet`` -> ``tiny_net``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
