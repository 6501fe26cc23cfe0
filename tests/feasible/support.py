"""Small spaces, and all their points one by one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import archdsl
from archdsl.ir.decisions import combinations
from archdsl.ir.points import Drawn
from archdsl.ir.space import Space

BASE = """
let gate = conv_glu(ratio = {gate})

arch tiny {{
  input     = 3x16x16
  classes   = 10
  drop_path = ramp(0.1)

  let width = 8

  layout plain {{
    then identity + dwconv(3x3)
    residual layernorm -> token
    residual layernorm -> channel
  }}
  layout short {{ residual layernorm -> token }}
  layout = plain

  default {{
    channel = mlp(ratio = 2)
    down    = conv(3x3, stride = 2)
  }}

  stem = conv(4x4, out = width, stride = 4)
  stage s1 {{ dim = width, depth = 1, token = attention(head_dim = 4) }}
  stage s2 {{ dim = width * 2, depth = 1, token = attention(head_dim = 4) }}
  head = mean -> linear(classes)
}}

space small over tiny {{
{lines}
}}
"""


def space_of(lines: str, gate: str = "2") -> Space:
    """A space over a tiny arch; `gate` is what its file-level let says."""
    spec = archdsl.loads(BASE.format(lines=lines, gate=gate), name="small")
    assert spec.space is not None
    return spec.space


class Reading(dict[Any, Any]):
    """A point that remembers what was read of it."""

    def __init__(self, values: dict[Any, Any]) -> None:
        super().__init__(values)
        self.read: dict[Any, int | Fraction] = {}

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        self.read[key] = value
        return value


def every_point(space: Space, *, budgets: bool = True) -> dict[frozenset[Any], Drawn]:
    """Every point that can be built and keeps `require` and the budgets, once for all that agree in what is read of them."""
    found = {}
    for values in combinations(space.decisions, {}):
        full = {d.key: values.get(d.key, space.base_point.get(d.key, d.values[0])) for d in space.decisions}
        reading = Reading(full)
        try:
            kept = space.keeps_budgets(reading) if budgets else bool(space.network(reading))
        except archdsl.SpecError:
            continue
        if kept:
            found.setdefault(frozenset(reading.read.items()), space.drawn(full))
    return found
