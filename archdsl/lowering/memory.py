"""Memory: what a network would take is compared with what there is before anything is made of it."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

from archdsl.ir.network import Network, network_leaves, weights
from archdsl.source.diagnostic import Diagnostic, SpecError

_BYTES = 4
# of 32 channels: the published heads are as wide or wider, so this many scores come with the products of an attention
_HEAD = 32


def weight_bytes(network: Network) -> int:
    """Bytes of all weights in float32."""
    return _BYTES * sum(prod(shape) for shape in weights(network).values())


def activation_bytes(network: Network, batch: int) -> int:
    """About the bytes of the largest component at work in float32: its maps, and the scores of its matrix products."""
    largest = 0
    for _, leaf in network_leaves(network):
        scores = leaf.cost.ops.get("matmul", 0) // (2 * _HEAD)
        largest = max(largest, leaf.x.elements + leaf.y.elements + 2 * scores)
    return _BYTES * batch * largest


def available_bytes() -> int | None:
    """Bytes of memory that are free for use; None where the system does not tell."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def refuse_beyond_memory(network: Network, needed: int, what: str) -> None:
    """Raise `SpecError` `out-of-memory` where work on a network would take more memory than there is."""
    available = available_bytes()
    if available is None or needed <= available:
        return
    message = f"`{network.name}` takes about {_gigabytes(needed)} to {what}, and {_gigabytes(available)} are free"
    help = "choose a smaller input, dim or depth; `archdsl check` and `show` need no memory for it"
    raise SpecError([Diagnostic("out-of-memory", message, help=help)])


def refuse_build(network: Network) -> None:
    """Raise `SpecError` `out-of-memory` where a network cannot be made, exported and compared here."""
    # the weights of the module, of the program and of the file; the largest batch that is compared
    refuse_beyond_memory(network, 3 * weight_bytes(network) + activation_bytes(network, batch=3), "build")


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
