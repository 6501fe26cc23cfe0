"""The identity of a network: a digest of what it computes, whatever words its spec uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from archdsl.ir.naming import has_state
from archdsl.ir.network import Network, Placed, PlacedBlock, PlacedStage
from archdsl.ir.part import Chain, Leaf, detail
from archdsl.schema.component import Component
from archdsl.source import record


def digest(network: Network, *, names: bool = True) -> str:
    """SHA-256, in hex, of the structure, every field, the drop rates and, with `names`, the names in the state_dict."""
    # a check needs no digest, and the module takes longer to load than a digest to make
    from hashlib import sha256

    part = _named if names else _bare
    lines = [f"input {network.image}", f"classes {network.classes}", f"stem {part(network.stem)}"]
    for name, value in network.values.items():
        if isinstance(value, PlacedStage):
            lines.append(f"stage {name} from {network.reads[name]}: {part(value.source)} {part(value.down)}")
            # equal blocks of a stage are one object
            texts = {id(block): _block(block, part) for block in value.blocks}
            lines += [f"  {rate!r} {texts[id(b)]}" for rate, b in zip(value.drop_rates, value.blocks, strict=True)]
            lines.append(f"  tail {part(value.tail)}")
        else:
            lines.append(f"value {name} from {network.reads[name]}: {part(value)}")
    lines.append(f"logits {part(network.logits)}")
    return sha256("\n".join(lines).encode()).hexdigest()


def _block(block: PlacedBlock, part: Callable[[Placed | None], str]) -> str:
    return "; ".join(f"{'+' if line.residual else '='}{part(line.body)} | {part(line.skip)}" for line in block.lines)


def _named(placed: Placed | None) -> str:
    return _part(placed, _named, placed.name if placed and placed.name and has_state(placed) else "")


def _bare(placed: Placed | None) -> str:
    return _part(placed, _bare, "")


def _part(placed: Placed | None, inside: Callable[[Placed | None], str], name: str) -> str:
    if placed is None:
        return "-"
    part = placed.part
    if isinstance(part, Leaf):
        return f"{name}:{component_text(part.component)}"
    children = _flat(placed) if isinstance(part, Chain) else placed.children
    inner = ", ".join(inside(child) for child in children)
    return f"{name}:{type(part).__name__}{detail(part)}({inner})"


def _flat(chain: Placed) -> Iterator[Placed]:
    """The parts of a chain, those of nameless chains in it among them: parentheses change nothing."""
    for child in chain.children:
        if isinstance(child.part, Chain) and child.name is None:
            yield from _flat(child)
        else:
            yield child


def component_text(component: Component) -> str:
    """A component with all its fields, as it would be written in full."""
    told = ", ".join(f"{name} = {_value(getattr(component, name))}" for name in record.names(component))
    return f"{component.schema.name}({told})"


def _value(value: object) -> str:
    if isinstance(value, Component):
        return component_text(value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f'"{value}"' if isinstance(value, str) else str(value)
