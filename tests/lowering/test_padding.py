"""BiFormer on images that its regions do not divide."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.lowering.export import images
from tests.components.test_routing import _by_loops

AT = (256, 256)
PAD = {"routed.pad": True}


def test_is_refused_without_padding() -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.load("@biformer_t", at=AT)
    assert {found.slug for found in caught.value.diagnostics} == {"shape-mismatch"}
    assert "pad = true" in str(caught.value)


def test_is_accepted_with_padding_and_computes_what_loops_do() -> None:
    module = archdsl.build("@biformer_t", at=AT, set=PAD).double()
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda _, given, result: seen.update({name: (given[0], result)})

    # maps of 64x64, 32x32 and 16x16, padded to 70x70, 35x35 and 21x21
    for stage in ("s1", "s2", "s3"):
        module.get_submodule(f"stages.{stage}.0.token").register_forward_hook(remember(stage))
    with torch.no_grad():
        logits = module(images(module, 1))
        assert logits.shape == (1, 1000)
        assert logits.isfinite().all()
        for stage, topk, heads in (("s1", 1, 2), ("s2", 4, 4), ("s3", 16, 8)):
            given, result = seen[stage]
            token = module.get_submodule(f"stages.{stage}.0.token")
            want = _by_loops(token, given[0], (7, 7), topk, heads)
            torch.testing.assert_close(result[0], want, rtol=1e-9, atol=1e-9)
