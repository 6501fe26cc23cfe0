"""Logits of published implementations: the checkpoint they were made with, the images, and how close one must come.

A golden is a JSON file in `tests/golden`. It holds no weights. Each tensor of the checkpoint is drawn anew from its published
name and shape alone, so that names, shapes and a few logits are all there is to keep.

- `keys`: published name, shape and dtype of each tensor; those in `kept` are not part of the checkpoint.
- `input_shape`: of the images, standard normal numbers from seed 0.
- `logits_head`: the first logits of each image; `logits_std`, `logits_l2`: of all logits.
- `tolerance`: what is accepted, in standard deviations of the logits.
- `fill_overrides`: patterns of names, each with an offset and a scale for the tensors whose name it is found in; and
  `fill_scale_ndim_ge_2`: a scale for weights of several axes.
- `fuse`: true where the checkpoint is of the deploy form.
- `spec`: the packaged spec of the same network; `source`: the repository and commit that gave the logits.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Golden: TypeAlias = dict[str, Any]


def golden(name: str, folder: Path = Path("tests/golden")) -> Golden:
    """A golden by the name of its model, such as `biformer_tiny` or `biformer_tiny@224x336`."""
    found: Golden = json.loads((folder / f"{name}.json").read_text())
    return found


def official_state(golden: Golden) -> dict[str, Tensor]:
    """The checkpoint in the published layout. Counters are zero."""
    state = {}
    for key, shape, dtype in golden["keys"]:
        if key in golden.get("kept", ()):
            continue
        kind = getattr(torch, dtype)
        drawn = torch.from_numpy(np.asarray(_drawn(key, shape, golden))) if kind.is_floating_point else torch.zeros(shape)
        state[key] = drawn.to(kind).reshape(shape)
    return state


def golden_images(golden: Golden) -> Tensor:
    """The images the logits were made from, [B, C, H, W]."""
    return torch.from_numpy(np.random.Generator(np.random.PCG64(0)).standard_normal(golden["input_shape"]).astype(np.float32))


def distance(golden: Golden, logits: Tensor) -> float:
    """How far logits are from the published ones: in standard deviations, or as a share of the norm if that is more."""
    got = logits.detach().double().cpu().numpy()
    published = np.asarray(golden["logits_head"])
    one_by_one = np.abs(got[:, : published.shape[1]] - published).max() / golden["logits_std"]
    norm = abs(np.linalg.norm(got) - golden["logits_l2"]) / golden["logits_l2"]
    # of two numbers one of which is none, `max` may take the other
    return float(np.maximum(one_by_one, norm))


def distance_of(golden: Golden, module: torch.nn.Module) -> float:
    """As `distance`, of a module that holds the checkpoint; it is in evaluation mode afterwards."""
    with torch.no_grad():
        return distance(golden, module.eval()(golden_images(golden)))


def assert_golden(golden: Golden, logits: Tensor) -> float:
    """Fail unless logits are within the tolerance of the published ones; return how far they are."""
    found = distance(golden, logits)
    assert math.isfinite(found), f"{golden['model']}: the logits are not finite"
    assert found <= golden["tolerance"], (
        f"{golden['model']}: {found:.1e} from the published logits, not {golden['tolerance']:.0e}"
    )
    return found


def _drawn(key: str, shape: list[int], golden: Golden) -> np.ndarray[Any, Any]:
    """One tensor. Scales stay near 1, biases near 0, and weights keep the size of what goes through them."""
    normal = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(tuple(shape))
    match key.rpartition(".")[2]:
        case "running_var":
            drawn = 1 + 0.1 * np.abs(normal)
        case "running_mean":
            drawn = 0.1 * normal
        case "bias":
            drawn = 0.05 * normal
        case _ if len(shape) < 2:
            drawn = 1 + 0.1 * normal
        case _:
            drawn = golden.get("fill_scale_ndim_ge_2", 1.0) * normal / math.sqrt(max(1, math.prod(shape[1:])))
    # the first pattern of a file that is found in a name moves and scales the tensor
    for pattern, offset, scale in golden.get("fill_overrides", ()):
        if re.search(pattern, key):
            return np.asarray(offset + scale * drawn)
    return np.asarray(drawn)
