"""Specs to be scored, and the candidates of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch

import archdsl
from archdsl.api import Spec
from archdsl.search.objectives import registry
from archdsl.search.objectives.objective import Candidate

CPU = torch.device("cpu")
SAMPLES = Path(__file__).parents[2] / "specs" / "samples"
PROXIES = ("zen_score", "zico", "naswot", "synflow", "grad_norm")
ARCH = """\
arch tiny {{
  input   = 3x{size}x{size}
  classes = 5

  layout {{
    {layout}
  }}

  stem = {stem}

  stage s1 {{ dim = {dim}, depth = {depth}{more} }}

  head = {head}
}}
"""


def tiny(
    layout: str = "then identity",
    *,
    stem: str = "conv(1x1, out = 4, bias = false)",
    size: int = 4,
    dim: int = 4,
    depth: int = 1,
    more: str = "",
    head: str = "mean -> linear(classes)",
) -> str:
    """The text of an arch of one stage."""
    return ARCH.format(layout=layout, stem=stem, size=size, dim=dim, depth=depth, more=more, head=head)


def candidate(text: str, *, seed: int = 0, device: torch.device = CPU) -> Candidate:
    return Candidate(archdsl.loads(text), seed, device)


def value(name: str, of: Candidate, **settings: object) -> float:
    """What an objective measures."""
    return registry.make(name, settings).measure(of, lambda number, value: None)


def cheap(name: str) -> Mapping[str, int]:
    """Settings that make a score as cheap as it gets."""
    return {"naswot": {"batch": 4}, "synflow": {}, "zico": {"batch": 2, "batches": 2}}.get(name, {"batch": 2})


def shallow(name: str, at: int) -> Spec:
    """A spec whose stages have one block each, where that can be built."""
    found = archdsl.load(name, at=at)
    for stage in found.network.stages:
        with suppress(archdsl.SpecError):
            found = found.overridden(set={f"{stage}.depth": 1})
    return found
