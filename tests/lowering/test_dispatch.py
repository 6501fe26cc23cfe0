"""Which implementation runs, for a whole backbone."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.kernels.choice import Kernelled, Use
from archdsl.lowering.dispatch import choose, sites, sites_of, takes_kernel
from archdsl.lowering.export import export, images, load_program, operators_of, save_program

ROOT = Path(__file__).parents[2]
SPEC = """\
arch routed {
  input   = 3x16x16
  classes = 3
  layout { residual layernorm -> token }
  stem = conv(2x2, out = 16, stride = 2)
  stage s1 { dim = 16, depth = 5, token = cycle(routing(topk = 1, regions = 2x2, head_dim = 8), attention(heads = 2)) }
  stage s2 { dim = 256, down = conv(2x2, stride = 2), depth = 2, token = routing(topk = 1, regions = 2x2, head_dim = 256) }
  head = mean -> linear(classes)
}
"""


@pytest.fixture(scope="module")
def spec() -> archdsl.Spec:
    return archdsl.loads(SPEC)


def test_equal_blocks_are_one_site(spec: archdsl.Spec) -> None:
    found = {site.path: site for site in sites_of(spec.network, "cuda")}
    alternating = found["stages.s1.0,2,4.token"]
    assert (alternating.component, alternating.implementation, alternating.reason) == ("routing", "kernel", None)
    assert alternating.count == 3
    assert found["stages.s1.0-4.layernorm"].count == 5
    assert found["stages.s1.1,3.token"].component == "attention"
    assert not found["stages.s1.1,3.token"].kernelled
    declined = found["stages.s2.0-1.token"]
    assert declined.implementation == "reference"
    assert "256 channels" in str(declined.reason)
    assert found["head.mean"].reason == "no kernel yet"
    assert sum(site.count for site in found.values()) == 1 + 5 + 5 + 1 + 2 + 2 + 2


@pytest.mark.parametrize("name", ["@biformer_t", "@halonet_h0", "@transnext_micro", "@care_s0", "@overlock_xt"])
def test_a_network_has_the_sites_of_its_module(name: str) -> None:
    found = archdsl.load(name)
    module = archdsl.build(found)
    for kind in ("cpu", "cuda"):
        assert set(sites_of(found.network, kind)) == set(sites(module, kind))


@pytest.mark.parametrize(
    ("kind", "dtype", "use", "reason"),
    [
        ("cpu", torch.float32, Use.BY_DEVICE, "the kernel is for CUDA"),
        ("cuda", torch.float32, Use.BY_DEVICE, None),
        ("cuda", torch.float64, Use.BY_DEVICE, "the kernel does not compute in float64"),
        ("cuda", torch.bfloat16, Use.REFERENCE, "kernels are turned off"),
        ("mps", torch.float16, Use.BY_DEVICE, "the kernel is for CUDA, not mps"),
        ("cpu", torch.float16, Use.OPERATOR, None),
    ],
)
def test_device_format_and_use_decide(spec: archdsl.Spec, kind: str, dtype: torch.dtype, use: Use, reason: str | None) -> None:
    found = [site for site in sites_of(spec.network, kind, dtype, use=use) if site.path.startswith("stages.s1.0,")]
    assert [site.reason for site in found] == [reason]
    module = archdsl.build(spec)
    choose(module, use)
    assert [site.reason for site in sites(module, kind, dtype) if site.path.startswith("stages.s1.0,")] == [reason]


def test_kernels_are_turned_off_for_a_module(spec: archdsl.Spec) -> None:
    module = archdsl.build(spec, kernels=False)
    assert all(part.use is Use.REFERENCE for part in module.modules() if isinstance(part, Kernelled))
    assert {site.implementation for site in sites(module, "cuda")} == {"reference"}
    assert {site.implementation for site in sites(copy.deepcopy(module), "cuda")} == {"reference"}
    trunk = archdsl.build(spec, features=["s1"], kernels=False)
    assert {site.implementation for site in sites(trunk, "cuda")} == {"reference"}
    assert "kernel" in {site.implementation for site in sites(archdsl.build(spec, features=["s1"]), "cuda")}


@pytest.mark.parametrize("said", ["0", "off", "OFF"])
def test_the_variable_turns_them_off(said: str) -> None:
    code = """
import archdsl
from archdsl.lowering.dispatch import sites_of
found = sites_of(archdsl.load("@biformer_t").network, "cuda")
print({site.reason for site in found if site.kernelled})
"""
    environment = {**os.environ, "ARCHDSL_KERNELS": said, "PYTHONPATH": str(ROOT)}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert told.strip() == "{'kernels are turned off by ARCHDSL_KERNELS'}"


def test_a_program_holds_references_unless_asked(spec: archdsl.Spec, tmp_path: Path) -> None:
    module = archdsl.build(spec, seed=1)
    choose(module, Use.OPERATOR)
    assert operators_of(export(module)) == ()
    program = export(module, Use.OPERATOR)
    assert operators_of(program) == ("archdsl::routing_attention",)
    save_program(program, tmp_path / "program.pt2")
    loaded = load_program(tmp_path / "program.pt2")
    choose(module, Use.REFERENCE)
    with torch.no_grad():
        for batch in (1, 3):
            x = images(module, batch)
            torch.testing.assert_close(loaded(x), module(x))


@pytest.mark.parametrize("use", [Use.REFERENCE, Use.OPERATOR])
def test_a_program_names_no_device(use: Use) -> None:
    # so that it goes where it is moved; halo changes the format of its tables, which torch would assert the device at
    text = SPEC.replace("routing(topk = 1, regions = 2x2, head_dim = 8)", "halo(block = 4x4, halo = 1, heads = 2)")
    program = export(archdsl.build(archdsl.loads(text)), use)
    assert operators_of(program) == (("archdsl::halo_attention",) if use is Use.OPERATOR else ())
    assert [str(node.target) for node in program.graph.nodes if node.kwargs.get("device") is not None] == []


def test_what_is_no_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "program.pt2").write_bytes(b"nothing of the kind")
    with pytest.raises(archdsl.SpecError, match="is no program that torch can load") as caught:
        archdsl.load_program(tmp_path / "program.pt2")
    assert caught.value.diagnostics[0].slug == "not-a-build"
    with pytest.raises(FileNotFoundError):
        archdsl.load_program(tmp_path / "gone.pt2")
    with pytest.raises(TypeError, match="program"):
        archdsl.load_program(3)


def test_only_some_networks_have_a_kernel(spec: archdsl.Spec) -> None:
    assert takes_kernel(spec.network)
    assert not takes_kernel(archdsl.load("@convit_tiny").network)
    declined = SPEC.replace(
        "cycle(routing(topk = 1, regions = 2x2, head_dim = 8), attention(heads = 2))", "attention(heads = 2)"
    )
    assert not takes_kernel(archdsl.loads(declined).network)


def test_operators_compute_what_references_compute(spec: archdsl.Spec) -> None:
    module = archdsl.build(spec, seed=2).train()
    found = []
    for use in (Use.REFERENCE, Use.OPERATOR):
        choose(module, use)
        module.zero_grad()
        loss = module(images(module, 2)).square().sum()
        loss.backward()
        found.append([loss.detach(), *(weight.grad for weight in module.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
