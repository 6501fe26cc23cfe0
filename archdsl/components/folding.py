"""The state of a module in its fused form."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def folded_state(module: nn.Module) -> dict[str, Tensor]:
    """What the module of the fused component has by the same names: parts that have a `fold` are folded, the rest is as it is.

    The tensors are detached; those that were not folded share their memory with the module.
    """
    fold: Callable[[], dict[str, Tensor]] | None = getattr(module, "fold", None)
    if fold is not None:
        return {name: tensor.detach() for name, tensor in fold().items()}
    own = {*module._parameters, *module._buffers}
    state = {name: tensor for name, tensor in module.state_dict().items() if name in own}
    for child, inner in module.named_children():
        state |= {f"{child}.{name}": tensor for name, tensor in folded_state(inner).items()}
    return state
