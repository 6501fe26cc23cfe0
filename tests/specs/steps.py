"""Steps of training, as the tests of families take them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def lost_weights(module: nn.Module, images: torch.Tensor) -> list[str]:
    """The parameters that no gradient reaches in a step of training, in which the same branches are dropped each time."""
    module.train()
    module.zero_grad()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _loss(module(images)).backward()
    return [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()]


def graphs_of_steps(
    module: nn.Module, size: tuple[int, int], batches: Iterable[int] = (4, 8, 16, 32), *, backend: str = "aot_eager"
) -> int:
    """How many graphs a step of training compiles to, in full, over batches of several sizes."""
    from torch._dynamo import lookup_backend

    compiler = lookup_backend(backend)
    graphs = 0

    def counted(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        nonlocal graphs
        graphs += 1
        return compiler(graph, inputs)

    torch.compiler.reset()
    generator = torch.Generator().manual_seed(0)
    try:
        compiled = torch.compile(module.train(), fullgraph=True, backend=counted)
        for batch in batches:
            module.zero_grad()
            images = torch.randn(batch, 3, *size, generator=generator)
            # said, not found out: a batch of 16 takes other convolutions on the CPU, and may have one graph beside the first
            torch._dynamo.mark_dynamic(images, 0)
            _loss(compiled(images)).backward()
    finally:
        torch.compiler.reset()
    return graphs


def _loss(outputs: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
    """A number that all outputs have a part in."""
    each = outputs.values() if isinstance(outputs, dict) else [outputs]
    return sum((output.square().mean() for output in each), torch.zeros(()))
