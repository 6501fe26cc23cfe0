"""The identity of a network: a digest of what it computes, whatever words its spec uses."""

from __future__ import annotations

import hashlib

from archdsl.ir.network import Network, Placed, PlacedStage
from archdsl.ir.part import DropPath, Leaf, Read, Split, Sum
from archdsl.schema.component import Component
from archdsl.source.record import names


def digest(network: Network) -> str:
    """SHA-256, in hex, of the structure, every field, the drop rates and the names in the state_dict."""
    lines = [f"input {network.image}", f"classes {network.classes}", f"stem {_part(network.stem)}"]
    for name, value in network.values.items():
        if isinstance(value, PlacedStage):
            lines.append(f"stage {name} from {network.reads[name]}: {_part(value.source)} {_part(value.down)}")
            for rate, block in zip(value.drop_rates, value.blocks, strict=True):
                inner = "; ".join(
                    f"{'+' if line.residual else '='}{_part(line.body)} | {_part(line.skip)}" for line in block.lines
                )
                lines.append(f"  {rate!r} {inner}")
            lines.append(f"  tail {_part(value.tail)}")
        else:
            lines.append(f"value {name} from {network.reads[name]}: {_part(value)}")
    lines.append(f"logits {_part(network.logits)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _part(placed: Placed | None) -> str:
    if placed is None:
        return "-"
    part = placed.part
    name = f"{placed.name}:" if placed.name else ""
    if isinstance(part, Leaf):
        return name + component_text(part.component)
    detail: object = ""
    if isinstance(part, Sum):
        detail = part.scales
    elif isinstance(part, Split):
        detail = part.sizes
    elif isinstance(part, DropPath):
        detail = part.rate
    elif isinstance(part, Read):
        detail = part.value
    inner = ", ".join(_part(child) for child in placed.children)
    return f"{name}{type(part).__name__}{detail}({inner})"


def component_text(component: Component) -> str:
    """A component with all its fields, as it would be written in full."""
    told = ", ".join(f"{name} = {_value(getattr(component, name))}" for name in names(component))
    return f"{component.schema.name}({told})"


def _value(value: object) -> str:
    if isinstance(value, Component):
        return component_text(value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f'"{value}"' if isinstance(value, str) else str(value)
