"""Small image folders and specs that fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import archdsl
from archdsl.ir.network import Network

ARCH = """
arch tiny {{
  input = {input}
  classes = {classes}
  layout {{ residual layernorm -> token }}
  stem = conv(4x4, out = 8, stride = 4)
  stage s1 {{ dim = 8, depth = 1, token = attention(heads = 2) }}
  head = mean -> linear(classes)
  {more}
}}
"""


def network(input: str = "1x8x8", classes: int = 3, more: str = "") -> Network:
    """A small network that takes such images."""
    return archdsl.loads(ARCH.format(input=input, classes=classes, more=more)).network


def folder(root: Path, counts: dict[str, int], *, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    """A folder with so many images of each class; those of a class have one shade and a number in it."""
    for place, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = np.full((size[1], size[0]), 40 * place, np.uint8)
            pixels[0, 0] = index
            Image.fromarray(pixels).convert(mode).save(root / name / f"{index:03d}.png")
    return root
