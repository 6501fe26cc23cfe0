"""A small spec with a table of positions, and the key map of its published layout."""

from __future__ import annotations

KEYS = """\
keys:
  patch: stem.conv
  pos_embed: stem.position_table.weight
  blocks.{i}.norm: stages.s1.{i}.layernorm
  blocks.{i}.attn: stages.s1.{i}.token
  head: head.linear
shapes:
  pos_embed: 1 (h w) c
"""


def text(image: str, classes: int) -> str:
    """The spec for images such as `3x8x8`."""
    return f"""\
arch tiny {{
  input   = {image}
  classes = {classes}
  layout {{ residual layernorm -> token }}
  stem = conv(4x4, out = 4, stride = 4) -> position_table
  stage s1 {{ dim = 4, depth = 1, token = attention(heads = 2) }}
  head = mean -> linear(classes)
}}
"""
