"""Gradient checkpointing: what a block computed is dropped, and computed again when the gradients are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(run: Callable[..., Tensor], level: nn.Module, *arguments: object) -> Tensor:
    """`run(*arguments)` of a level, of which only the arguments are kept for the backward pass.

    Drop path draws the same numbers again. The statistics of batch norms are those of one pass: the second changes none.
    """
    # a compiled graph is functional: there the second pass writes to no buffer
    if torch.compiler.is_compiling() or next(level.buffers(), None) is None:
        return checkpoint(run, *arguments, use_reentrant=False)  # type: ignore[no-any-return]
    return checkpoint(run, *arguments, use_reentrant=False, context_fn=partial(_contexts, level))  # type: ignore[no-any-return]


def _contexts(level: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _buffers_kept(level)


@contextmanager
def _buffers_kept(level: nn.Module) -> Iterator[None]:
    kept = [(buffer, buffer.clone()) for buffer in level.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
