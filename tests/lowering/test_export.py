from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archdsl.lowering.export import Parity, export, images, load_program, parity, relative_difference, save_program
from archdsl.lowering.module import lower
from archdsl.source.diagnostic import SpecError
from tests.lowering import networks

# a process with torch and no archdsl: the package is not on its path
ALONE = """
import sys
import torch
program = torch.export.load(sys.argv[1]).module()
for batch in (1, 4):
    torch.save(program(torch.load(f"{sys.argv[2]}/x{batch}.pt")), f"{sys.argv[2]}/y{batch}.pt")
assert not [name for name in sys.modules if name.startswith("archdsl")]
"""


@pytest.mark.parametrize("network", [networks.small(), networks.branching()], ids=lambda n: n.name)
def test_the_program_runs_with_torch_alone_at_any_batch(network: networks.Network, tmp_path: Path) -> None:
    # one level in `branching` is called by a keyword of Python: `from`
    module = lower(network)
    program = export(module)
    assert module.training
    assert list(module.state_dict()) == list(lower(network).state_dict())
    save_program(program, tmp_path / "program.pt2")
    module.eval()
    for batch in (1, 4):
        torch.save(images(module, batch), tmp_path / f"x{batch}.pt")
    command = [sys.executable, "-I", "-c", ALONE, str(tmp_path / "program.pt2"), str(tmp_path)]
    subprocess.run(command, check=True, cwd=tmp_path)
    for batch in (1, 4):
        want = module(images(module, batch))
        assert relative_difference(want, torch.load(tmp_path / f"y{batch}.pt")) < 1e-5
    assert parity(module, load_program(tmp_path / "program.pt2"), what="exported").worst < 1e-5
    assert not module.training


def test_a_program_of_other_weights_fails_parity() -> None:
    module = lower(networks.branching())
    other = lower(networks.branching(), seed=1).eval()
    with pytest.raises(SpecError) as caught:
        parity(module, other, what="exported")
    assert caught.value.diagnostics[0].slug == "parity-failed"
    assert "batch 3" in caught.value.diagnostics[0].notes[0].message
    assert module.training


def test_not_a_number_is_no_agreement() -> None:
    assert not Parity((1,), (float("nan"),), 1e-4).holds
