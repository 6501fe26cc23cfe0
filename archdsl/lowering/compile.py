"""A backbone compiled by inductor."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from archdsl.lowering.export import Parity, parity
from archdsl.lowering.module import Backbone
from archdsl.source.diagnostic import Diagnostic, Note, SpecError

# fused kernels add up in another order, and a near tie between two routes may then fall the other way
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compiled form of a module, how it compares with the eager one, and the seconds that compiling took."""

    run: Callable[[Tensor], Tensor]
    parity: Parity
    seconds: float


def compile_module(module: Backbone) -> Compiled:
    """Compile a backbone as one graph, in evaluation mode, and compare its logits with the eager ones.

    Raises
    ------
    SpecError: `compiler-missing`, where inductor would find no C++ compiler; `parity-failed`.
    """
    require_compiler()
    run = torch.compile(module, fullgraph=True)
    start = time.perf_counter()
    found = parity(module, run, what="compiled", batches=(2,), tolerance=TOLERANCE)
    return Compiled(run, found, time.perf_counter() - start)


def require_compiler() -> None:
    """Raise `SpecError` `compiler-missing` where inductor would find no C++ compiler."""
    if compiler() is None:
        raise SpecError([_missing()])


def compiler() -> str | None:
    """The path of the C++ compiler that inductor would use: that of `CXX`, else g++ or clang++."""
    for command in (os.environ.get("CXX", ""), "g++", "clang++"):
        words = command.split()
        if words and (found := shutil.which(words[0])):
            return found
    return None


def _missing() -> Diagnostic:
    return Diagnostic(
        "compiler-missing",
        "compiling needs a C++ compiler, and there is none",
        notes=(Note("looked for the command in `CXX`, then for `g++` and `clang++`"),),
        help="install g++ or clang++, set `CXX`, or build without compiling",
    )
