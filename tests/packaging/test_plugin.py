"""A component of another package: used like a built-in one, and harmless when it is broken."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from tests.packaging.support import ROOT, Installed

EXAMPLE = ROOT / "examples" / "02_own_mixer"
SPEC = """\
arch tiny {{
  input   = 3x32x32
  classes = 10

  layout {{
    residual layernorm -> token
    residual layernorm -> channel
  }}

  default {{
    channel = mlp(ratio = 2)
  }}

  stem = conv(4x4, out = 16, stride = 4) -> batchnorm

  stage s1 {{ dim = 16, depth = 2, token = {token} }}

  head = mean -> linear(classes)
}}
"""
BROKEN = """\
raise RuntimeError("this mixer needs a device that is not here")
"""


def write(folder: Path, name: str, token: str) -> str:
    (folder / name).write_text(SPEC.format(token=token), encoding="utf-8")
    return name


def test_checks(with_plugin: Installed) -> None:
    with_plugin.archdsl("check", str(EXAMPLE / "gate_t.arch"))


def test_refuses_by_the_shape_rule_of_the_plugin(with_plugin: Installed) -> None:
    spec = write(with_plugin.cwd, "even.arch", "large_kernel_gate(kernel = 4x4)")
    told = with_plugin.archdsl("check", spec, code=1).stderr
    assert "odd numbers" in told
    assert "4x4 has none" in told


def test_is_suggested(with_plugin: Installed) -> None:
    spec = write(with_plugin.cwd, "misspelt.arch", "large_kernel_gat(kernel = 5x5)")
    told = with_plugin.archdsl("check", spec, code=1).stderr
    assert "error[unknown-name]" in told
    assert "did you mean `large_kernel_gate`?" in told


def test_is_listed_and_explained(with_plugin: Installed) -> None:
    assert "large_kernel_gate" in with_plugin.archdsl("list", "components", "--slot", "token").stdout
    assert "depthwise kernel of the gate" in with_plugin.archdsl("explain", "large_kernel_gate").stdout


def test_is_counted(with_plugin: Installed) -> None:
    spec = write(with_plugin.cwd, "gate.arch", "large_kernel_gate(kernel = 5x5)")
    counted = json.loads(with_plugin.archdsl("count", spec, "--json").stdout)
    assert counted["flops"] == counted["flops_fvcore"]
    # stem, two blocks of (two norms, gate, mlp), head
    gate, mlp = 3 * (16 * 16 + 16) + 16 * 25 + 16, 2 * 16 * 32 + 32 + 16
    assert counted["params"] == (16 * 3 * 16 + 16 + 32) + 2 * (64 + gate + mlp) + (16 * 10 + 10)


def test_is_converted(with_plugin: Installed) -> None:
    spec = write(with_plugin.cwd, "there.arch", "large_kernel_gate(kernel = 5x5)")
    with_plugin.archdsl("convert", spec, "between.yaml")
    with_plugin.archdsl("convert", "between.yaml", "back.arch")
    assert "large_kernel_gate(kernel = 5x5)" in (with_plugin.cwd / "between.yaml").read_text(encoding="utf-8")
    assert (with_plugin.cwd / "back.arch").read_text(encoding="utf-8") == SPEC.format(token="large_kernel_gate(kernel = 5x5)")


def test_passes_the_conformance_suite(with_plugin: Installed) -> None:
    told = with_plugin.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests")).stdout
    assert " passed" in told


def test_the_readme_of_the_example_says_what_there_is() -> None:
    from archdsl.schema.component import Component, Site
    from archdsl.schema.field import _TYPES, field
    from archdsl.testing.unseen import _OF_INPUT, _OF_RESULT

    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`]+)`", page.partition("## Write one")[2]))
    assert set(_TYPES) <= named
    assert {"add", "sub", "mul", "div", "mean", "sum"} == {*_OF_RESULT.values(), *_OF_INPUT.values()} <= named
    words = set(" ".join(named).replace("(", " ").replace("=", " ").split())
    assert set(inspect.signature(field).parameters) <= words
    for name in (name for name in vars(Site) if name.startswith("require")):
        assert any(entry.startswith(f"site.{name}(") for entry in named), name
    assert {"shape(self, x, site)", "weights(self, x)", "buffers(self, x)", "cost(self, x)"} <= {
        entry.replace("*", "") for entry in named
    }
    assert all(hasattr(Component, name) for name in ("shape", "weights", "buffers", "cost"))
    ops = {"conv", "linear", "matmul", "layer_norm", "batch_norm", "adaptive_avg_pool2d"}
    assert ops <= named


MODULE_FAILS = {
    "import": "import a_device_that_is_not_here",
    "init": "def Gate(spec, x): raise ValueError('no such device')",
    "weights": "from torch import nn\ndef Gate(spec, x): return nn.Linear(3, 5)",
    "forward": "from torch import nn\nclass Gate(nn.Module):\n    def __init__(self, spec, x): super().__init__()\n"
    "    def forward(self, x): return x.nothing",
}
GATE = """\
from dataclasses import dataclass
from archdsl.schema.component import Component, component

@component("gate", slot="token", module="gate_mixer.module:Gate")
@dataclass(frozen=True, slots=True)
class Gate(Component):
    \"\"\"A gate.\"\"\"
"""


def _gate(folder: Path, spec: str, module: str) -> Installed:
    """A package with the component `gate`, installed by hand."""
    site = folder / "site"
    (site / "gate_mixer").mkdir(parents=True)
    (site / "gate_mixer" / "__init__.py").write_text("")
    (site / "gate_mixer" / "spec.py").write_text(spec)
    (site / "gate_mixer" / "module.py").write_text(module)
    about = site / "gate_mixer-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gate-mixer\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text(
        "[archdsl.components]\ngate = gate_mixer.spec:Gate\ndead = gate_mixer.nothing:Gate\nconv = gate_mixer.spec:Gate\n"
    )
    return Installed(site, folder, (ROOT,))


@pytest.mark.parametrize("method", ["shape(self, x, site)", "cost(self, x)", "weights(self, x)", "buffers(self, x)"])
def test_a_component_that_fails_while_checked_is_blamed(method: str, tmp_path: Path) -> None:
    there = _gate(tmp_path, f"{GATE}    def {method}:\n        return x.depth\n", "")
    told = there.archdsl("check", write(tmp_path, "a.arch", "gate"), code=1).stderr
    assert "error[broken-plugin]: the component `gate` of the package `gate-mixer` fails here" in told
    assert "AttributeError" in told
    assert "a.arch:" in told


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("import", "No module named 'a_device_that_is_not_here'"),
        ("init", "ValueError: no such device"),
        ("weights", "promises other weights than its module has"),
        ("forward", "has no attribute 'nothing'"),
    ],
)
def test_a_component_that_breaks_its_promise_is_blamed(fails: str, reason: str, tmp_path: Path) -> None:
    there = _gate(tmp_path, GATE, MODULE_FAILS[fails])
    told = there.archdsl("count", write(tmp_path, "a.arch", "gate"), code=1).stderr
    assert "error[broken-plugin]: the component `gate` of the package `gate-mixer` fails at `stages.s1.0.token`: " in told
    assert reason in told
    assert "Traceback" not in told
    if fails == "import":
        listed = there.archdsl("list", "components")
        assert "dead" in listed.stdout
        assert "broken" in listed.stdout
        assert "`-v` tells why" in listed.stderr
        assert "`conv` of the package `gate-mixer` is left aside: `archdsl` has a component of that name" in listed.stderr
        assert "nothing" in there.archdsl("list", "components", "-v").stderr
        assert "dead" not in there.archdsl("list", "components", "--plain").stdout.split()


@pytest.fixture
def with_broken_plugin(tmp_path: Path) -> Installed:
    site = tmp_path / "site"
    (site / "broken_mixer").mkdir(parents=True)
    (site / "broken_mixer" / "__init__.py").write_text(BROKEN, encoding="utf-8")
    about = site / "broken_mixer-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-mixer\nVersion: 0.1\n", encoding="utf-8")
    entry = "[archdsl.components]\nbroken_mixer = broken_mixer:BrokenMixer\n"
    (about / "entry_points.txt").write_text(entry, encoding="utf-8")
    return Installed(site, tmp_path, (ROOT,))


def test_a_broken_plugin_that_is_not_used_changes_nothing(with_broken_plugin: Installed) -> None:
    spec = write(with_broken_plugin.cwd, "fine.arch", "attention(heads = 2)")
    with_broken_plugin.archdsl("check", spec)
    told = with_broken_plugin.archdsl("check", write(with_broken_plugin.cwd, "misspelt.arch", "atention(heads = 2)"), code=1)
    assert "did you mean `attention`?" in told.stderr
    assert "broken_mixer" not in told.stderr


def test_a_broken_plugin_that_is_used_says_why(with_broken_plugin: Installed) -> None:
    told = with_broken_plugin.archdsl("check", write(with_broken_plugin.cwd, "used.arch", "broken_mixer"), code=1).stderr
    assert "error[broken-plugin]" in told
    # a long label goes on in the next line
    assert "RuntimeError: this mixer needs a device that is not here" in " ".join(told.replace("|", " ").split())
    assert "broken-mixer" in told
    assert "Traceback" not in told
