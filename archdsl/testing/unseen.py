"""Two referees for the cost of a component: fvcore, and a count of what fvcore has no rule for."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# what one call of the left comes to, in the words of `Cost.unseen`
_OF_RESULT = {"add": "add", "sub": "sub", "rsub": "sub", "mul": "mul", "div": "div"}
_OF_INPUT = {"mean": "mean", "sum": "sum"}

# fvcore has a rule for these, so that what they are made of inside is counted already
_SEEN = {
    F.linear,
    F.bilinear,
    F.conv1d,
    F.conv2d,
    F.conv_transpose2d,
    F.layer_norm,
    F.group_norm,
    F.batch_norm,
    F.instance_norm,
    F.adaptive_avg_pool2d,
    F.interpolate,
    F.grid_sample,
    torch.matmul,
    Tensor.matmul,
    Tensor.__matmul__,
    torch.bmm,
    torch.addmm,
}


class _Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.rstrip("_")
        if not self.paused:
            if name in _OF_RESULT:
                self.counts[_OF_RESULT[name]] += result.numel()
            elif name in _OF_INPUT:
                self.counts[_OF_INPUT[name]] += args[0].numel()
        return result


class _Calls(TorchFunctionMode):
    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self.operations = operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.operations.paused
        self.operations.paused = before or func in _SEEN
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.operations.paused = before


def unseen(module: nn.Module, x: Tensor) -> dict[str, int]:
    """Additions and multiplications of one call that fvcore has no rule for, by name, as `Cost.unseen` defines them."""
    operations = _Operations()
    with torch.no_grad(), operations, _Calls(operations):
        module(x)
    return {name: count for name, count in operations.counts.items() if count}


def seen(module: nn.Module, x: Tensor) -> tuple[dict[str, int], frozenset[str]]:
    """What fvcore counts in one call, by operator, and the operators that it met and has no rule for."""
    # fvcore says on its logger which operators it does not count; the caller gets them as a value
    logger = logging.getLogger("fvcore.nn.jit_analysis")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # it scripts functions when imported and traces when it counts, and torch warns of both
            warnings.simplefilter("ignore")
            from fvcore.nn import FlopCountAnalysis

            analysis = FlopCountAnalysis(module, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            counts = analysis.by_operator()
            return {name: count for name, count in counts.items() if count}, frozenset(analysis.unsupported_ops())
    finally:
        logger.setLevel(level)
