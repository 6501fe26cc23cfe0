from __future__ import annotations

import keyword
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.lowering.export import Parity, export, images, load_program, parity, relative_difference, save_program
from archdsl.lowering.module import lower
from archdsl.lowering.names import escaped_name
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


KEYWORDS = """\
arch tiny {{
  input   = 3x8x8
  classes = 2
  let {0} = conv(3x3) -> gelu
  let {1} = conv(1x1) -> batchnorm
  let {2} = conv(1x1)
  layout {{
    residual layernorm -> {0}
    residual {1} -> {2}
  }}
  stem = conv(4x4, out = 4, stride = 4)
  stage {3} {{ dim = 4, depth = 1 }}
  stage {4} {{ dim = 8, depth = 2, down = conv(1x1) }}
  node {5} = {3} -> conv(1x1, out = 8)
  node {6} = {5} + {4}
  stage {7} {{ from = {6}, dim = 4, depth = 1, down = conv(1x1) }}
  head = mean -> linear(classes)
}}
"""


@pytest.mark.parametrize(
    "names",
    [
        "class class_ class__ if if_ else else_ if__",
        "class__ class_ class from_ from None_ None from__",
        "lambda_ lambda self True_ True print torch in_",
    ],
)
def test_keywords_and_names_that_look_like_escaped_ones_stay_apart(names: str) -> None:
    module = lower(archdsl.loads(KEYWORDS.format(*names.split())).network)
    keys = list(module.state_dict())
    assert parity(module, export(module).module(), what="exported").worst < 1e-5
    assert list(module.state_dict()) == keys


def test_escaped_names_are_as_different_as_the_names() -> None:
    names = [word + "_" * count for word in (*keyword.kwlist, "a", "_", "match") for count in range(4)]
    escaped = [escaped_name(name) for name in names]
    assert len(set(escaped)) == len(set(names))
    assert not [name for name in escaped if keyword.iskeyword(name)]


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
