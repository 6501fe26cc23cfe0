"""Bytes that the launchers of an operator's kernels move, found by running them with tensors that hold nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from archdsl.bench.counted import Counter, all_bytes
from archdsl.kernels.interpreter import INTERPRETED
from archdsl.kernels.operator import OPERATORS, Operator

ARCHITECTURE = 90
"""The compute capability, times ten, of which the launch numbers are taken."""


def beside(function: Any, arguments: tuple[Any, ...]) -> int:
    """What a call of an operator moves beyond its arguments and outputs, once each: 0 for operators that are not ours.

    Every launch of a kernel reads or writes each of its tensors once, what caches serve again is not counted. So several passes
    over an argument count several times, and partial results when they are written and when they are read.
    """
    namespace, _, name = function._schema.name.partition("::")
    operator = OPERATORS.get(name.removesuffix("_backward")) if namespace == "archdsl" else None
    kernel = None if operator is None else launchers(operator)
    if kernel is None:
        return 0
    launcher = kernel.backward if name.endswith("_backward") else kernel.forward
    # those of a graph stand for other tensors than those of the caller
    with _disable_current_modes(), FakeTensorMode():
        given = [_empty(value) if isinstance(value, Tensor) else value for value in arguments]
        with Counter() as counter, _counted_launches(counter):
            found = launcher(*given)
        return max(0, counter.bytes - all_bytes([*given, found]))


def _empty(like: Tensor) -> Tensor:
    return torch.empty_strided(tuple(like.shape), like.stride(), dtype=like.dtype)


def launchers(operator: Operator) -> Any:
    """The module of an operator's kernels; None where launches cannot be followed: no Triton, or Triton interprets."""
    if INTERPRETED:
        return None
    try:
        return operator.kernel()
    except ImportError:
        return None


class _Driver:
    """Stands for the GPU that launch numbers are asked for."""

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", ARCHITECTURE, 32)


@contextmanager
def _counted_launches(counter: Counter) -> Iterator[None]:
    """Launches are counted and not made."""
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    plain, before = JITFunction.run, driver._active

    def run(self: Any, *arguments: Any, grid: Any, warmup: bool, **named: Any) -> None:
        counter.bytes += all_bytes(tree_leaves([arguments, named]))

    JITFunction.run = run
    driver.set_active(_Driver())
    try:
        yield
    finally:
        JITFunction.run, driver._active = plain, before
