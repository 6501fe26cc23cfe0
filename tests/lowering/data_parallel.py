"""Trains small networks wrapped for data parallelism; `python -m tests.lowering.data_parallel STORE` is a process for it.

It ends without putting anything away: torch destroys a process group with the lock of the interpreter held, waits for its
threads, and now and then one of these waits for that lock.
"""

from __future__ import annotations

import os
import sys
import traceback

import torch
from torch import nn

from archdsl.lowering.export import images
from archdsl.lowering.module import lower
from tests.lowering import networks


def main(store: str) -> None:
    """Two steps of each network. Each parameter has to have a gradient."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    for network in (networks.small(), networks.branching()):
        module = nn.parallel.DistributedDataParallel(lower(network))
        for _ in range(2):
            out = module(images(module.module, 2))
            loss = sum(y.square().mean() for y in out.values()) if isinstance(out, dict) else out.square().mean()
            loss.backward()
        assert all(parameter.grad is not None for parameter in module.parameters()), network.name
        sys.stdout.write(f"{network.name}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
