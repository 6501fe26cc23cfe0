"""Makes torchvision importable beside a torch that its compiled part does not fit."""

from __future__ import annotations

import importlib

import torch

# what torchvision describes at import, though it is only there with the compiled part
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_KEPT: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Import torchvision. Where its compiled part cannot be loaded, the names of its operators are declared, without code."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise
        names = torch.library.Library("torchvision", "FRAGMENT")
        for operator in _OPERATORS:
            names.define(operator)
        _KEPT.append(names)  # the names go when this does
        importlib.import_module("torchvision")
