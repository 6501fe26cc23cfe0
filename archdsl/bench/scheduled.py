"""Bytes that a compiled graph moves: those of inductor's kernels after fusion, without any code made of them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import torch
from torch import Tensor

from archdsl.bench.counted import Beside, call_bytes
from archdsl.kernels.operator import OPERATORS

Layouts = Literal["eager", "free"]

# more elements than this count as so many in inductor's own sum for a fused kernel
_MOST_ELEMENTS = 10**9


class _Scheduled(BaseException):
    """The graph is scheduled: no code is wanted."""


def scheduled_bytes(
    run: Callable[..., Any],
    differentiate: Callable[[Any], object],
    arguments: Sequence[Any],
    beside: Beside,
    layouts: Layouts,
) -> int:
    """Bytes that the kernels of a compiled function read and write, those of its backward pass too if it is differentiated.

    It is lowered as for the CPU, whatever the tensors stand for: which operators fuse is about the same on CUDA, not exactly.

    Parameters
    ----------
    run: the function. It is called with `arguments`, tensors that hold nothing.
    differentiate: is given the result, to run the backward pass or not.
    beside: what calls of our operators move beside arguments and outputs.
    layouts: `eager`: maps stay in the order they have eagerly; `free`: inductor may set channels last, as it does for whole
        networks.
    """
    with warnings.catch_warnings():
        # what inductor imports is told to be deprecated
        warnings.simplefilter("ignore")
        return _scheduled_bytes(run, differentiate, arguments, beside, layouts)


def _scheduled_bytes(
    run: Callable[..., Any],
    differentiate: Callable[[Any], object],
    arguments: Sequence[Any],
    beside: Beside,
    layouts: Layouts,
) -> int:
    from functorch.compile import make_boxed_func
    from torch._inductor.compile_fx import compile_fx, compile_fx_inner

    moved: list[int] = []

    def take(graph: Any, inputs: Any, **told: Any) -> Any:
        before = len(moved)
        with _stopped(moved):
            compile_fx_inner(graph, inputs, **told)
        if len(moved) > before:
            moved.append(_operator_bytes(graph, beside))
        return make_boxed_func(graph.forward)

    settings = {
        "force_disable_caches": True,
        "layout_optimization": layouts == "free",
        # for several threads a sum by index would be no part of a fused kernel; on CUDA it is
        "cpp.threads": 1,
        "cpp.dynamic_threads": False,
    }
    torch.compiler.reset()
    try:
        with torch._inductor.config.patch(settings), _bfloat16_sums_by_index():
            backend = functools.partial(compile_fx, inner_compile=take)
            differentiate(torch.compile(run, backend=backend, fullgraph=True, dynamic=False)(*arguments))
    finally:
        torch.compiler.reset()
    return sum(moved)


@contextmanager
def _bfloat16_sums_by_index() -> Iterator[None]:
    """Sums by index are a part of a fused kernel in bfloat16, too, as on compute capability 9.0, whichever GPU is here."""
    from torch._inductor import lowering

    plain = lowering.needs_fallback_due_to_atomic_add_limitations
    lowering.needs_fallback_due_to_atomic_add_limitations = lambda dtype: dtype in (torch.int64, torch.bool)
    try:
        yield
    finally:
        lowering.needs_fallback_due_to_atomic_add_limitations = plain


@contextmanager
def _stopped(moved: list[int]) -> Iterator[None]:
    """A scheduler tells what its kernels move in place of making code."""
    from torch._inductor.scheduler import Scheduler

    plain = Scheduler.codegen

    def codegen(self: Any) -> None:
        moved.append(sum(map(_node_bytes, self.nodes)))
        raise _Scheduled

    Scheduler.codegen = codegen
    try:
        with suppress(_Scheduled):
            yield
    finally:
        Scheduler.codegen = plain


def _node_bytes(node: Any) -> int:
    """Bytes of one kernel after fusion. Those of our operators are counted by the graph, which knows all their outputs."""
    from torch._inductor.scheduler import SchedulerNode
    from torch._inductor.utils import get_dtype_size
    from torch._inductor.virtualized import V

    if getattr(node.node, "op_overload", None) in _ours():
        return 0
    total = 0
    for name, found in node.get_read_write_buffer_accesses(include_reads=True, include_writes=True).items():
        buffer = V.graph.try_get_buffer(name)
        if found >= _MOST_ELEMENTS and not isinstance(node, SchedulerNode) and buffer.has_tensor_output():
            found = max(found, int(buffer.get_numel()) * get_dtype_size(buffer.get_dtype()))
        total += found
    return total


def _operator_bytes(graph: Any, beside: Beside) -> int:
    """Bytes of the calls of our operators in a graph."""
    total = 0
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target in _ours():
            given = torch.fx.node.map_arg(node.args, lambda argument: argument.meta["val"])
            total += call_bytes(node.target, given, {}, node.meta["val"]) + beside(node.target, given)
    return total


def _ours() -> set[Any]:
    return {function for operator in OPERATORS.values() for function in (operator.forward, operator.backward)}


def no_gradients(result: Any) -> None:
    """For functions that are not differentiated."""


def gradients(wanted: Sequence[Tensor]) -> Callable[[Any], object]:
    """Runs the backward pass of a result, a tensor or several by name, for some tensors."""

    def differentiate(result: Any) -> object:
        found = list(result.values()) if isinstance(result, dict) else [result]
        return torch.autograd.grad(found, wanted, [torch.empty_like(one) for one in found], allow_unused=True)

    return differentiate
