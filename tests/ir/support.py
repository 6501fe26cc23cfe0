"""A small spec to change, and short ways to ask what comes of a text."""

from __future__ import annotations

from archdsl.api import Spec, check_source, loads
from archdsl.ir.network import Network, PlacedStage, network_leaves
from archdsl.schema.component import Component
from archdsl.source.diagnostic import Diagnostic
from archdsl.source.text import Source

TINY = """\
arch tiny {
  input     = 3x64x64
  classes   = 10
  drop_path = ramp(0.1)

  let width = 32
  let mixer = attention(heads = 4)

  layout {
    then identity + dwconv(3x3)
    residual layernorm -> token
    residual layernorm -> channel
  }

  default {
    channel = mlp(ratio = 4)
    down    = conv(3x3, stride = 2) -> batchnorm
  }

  stem = conv(4x4, out = width, stride = 4) -> batchnorm

  stage s1 { dim = width,     depth = 2, token = mixer }
  stage s2 { dim = width * 2, depth = 3, token = mixer(heads = 8) }

  head = mean -> layernorm -> linear(classes)
}
"""


def changed(*pairs: str, text: str = TINY) -> str:
    """`TINY` with each first of a pair, which must be there, replaced by the second."""
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new)
    return text


def within(body: str) -> str:
    """`TINY` with more items in its arch."""
    return TINY.rstrip()[:-1] + f"  {body}\n}}\n"


def after(*items: str) -> str:
    """`TINY` with more items in its file."""
    return "\n".join([TINY, *items])


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    return check_source(Source("tiny.arch", text))


def told(text: str, severity: str = "error") -> list[tuple[str, str]]:
    """Slug and guilty text of each error, or of each warning."""
    return [(d.slug, d.span.text if d.span else "") for d in diagnostics(text) if d.severity == severity]


def only(text: str, slug: str) -> Diagnostic:
    """The one thing there is to say about a text."""
    found = diagnostics(text)
    assert [d.slug for d in found] == [slug], [(d.slug, d.message) for d in found]
    return found[0]


def network(text: str = TINY, name: str | None = None) -> Network:
    return loads(text, name=name).network


def leaf(text: str | Network, key: str, name: str | None = None) -> Component:
    """The component of a name in the state_dict."""
    found = dict(network_leaves(network(text, name) if isinstance(text, str) else text))
    assert key in found, sorted(found)
    return found[key].leaf


def field(text: str | Network, key: str, entry: str, name: str | None = None) -> object:
    """A field of the component of a name in the state_dict."""
    return getattr(leaf(text, key, name), entry)


def stage(found: Network, name: str) -> PlacedStage:
    value = found.values[name]
    assert isinstance(value, PlacedStage)
    return value


def rates(spec: Spec | Network) -> list[float]:
    """The drop-path rates of all blocks."""
    found = spec.network if isinstance(spec, Spec) else spec
    return [rate for name in found.stages for rate in stage(found, name).drop_rates]
