"""The registry: names without imports, settings that are checked, packages that are broken."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import archdsl
from archdsl.ir import objectives as known
from archdsl.schema.registry import first_sentence
from archdsl.search.objectives import registry
from archdsl.search.objectives.objective import Objective
from archdsl.search.objectives.registry import BrokenPlugin, Clash, WrongSetting

GOOD = """\
from dataclasses import dataclass
from archdsl.search.objectives.objective import Objective, setting

@dataclass(frozen=True, kw_only=True)
class Own(Objective):
    \"\"\"Something of
    another package. It says more.\"\"\"

    name = "{name}"
    direction = "minimize"
    unit = "one"
    source = "a test"
    cost = "nothing"
    rate: float = setting(0.5, gt=0, le=1, doc="how much")
    data: str | None = setting(None, doc="of what")
    plain: int = 3

    def measure(self, candidate, step):
        return self.rate
"""


class Packages:
    """Packages that look installed, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, package: str, text: str, *names: str) -> None:
        (self.folder / f"{package}.py").write_text(text, encoding="utf-8")
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        entries = "".join(f"{name} = {package}:Own\n" for name in names)
        (info / "entry_points.txt").write_text(f"[{known.GROUP}]\n{entries}", encoding="utf-8")


def _forget() -> None:
    known.brought.cache_clear()
    registry._load.cache_clear()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield Packages(tmp_path)
    _forget()
    for name in [name for name in sys.modules if name.startswith("plugged_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", known.OBJECTIVES)
def test_every_built_in_objective_says_what_it_is(name: str) -> None:
    found = registry.lookup(name)
    assert isinstance(found, type)
    assert issubclass(found, Objective)
    assert found.name == name
    assert registry.summary(name) == first_sentence(found.__doc__ or "")
    assert registry.distribution(name) == "archdsl"
    assert found.direction == (
        "maximize" if name in ("zen_score", "zico", "naswot", "synflow", "grad_norm", "accuracy") else "minimize"
    )
    assert registry.unit(name) == found.unit
    assert found.unit
    assert found.source
    assert found.cost
    for field in registry.settings(found):
        assert field.doc
        assert f"`{field.name}`" not in found.cost or not field.required


@pytest.mark.parametrize("name", sorted(set(known.OBJECTIVES) - {"accuracy"}))
def test_defaults_are_settings_that_it_takes(name: str) -> None:
    made = registry.make(name, {})
    assert made == registry.make(name, dataclasses.asdict(made))


def test_names_import_nothing() -> None:
    code = (
        "import sys; from archdsl.search.objectives.registry import names, summary; [summary(name) for name in names()]; "
        "from archdsl.search.objectives.registry import make; make('params', {}); "
        "print('torch' in sys.modules, 'archdsl.search.objectives.zen_score' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]


def test_a_built_in_name_asks_no_package() -> None:
    code = (
        "import sys; from archdsl.ir.objectives import is_objective; assert is_objective('zico'); "
        "print('importlib.metadata' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]


@pytest.mark.parametrize(
    ("name", "settings", "message", "help", "setting"),
    [
        ("zen_scor", {}, "there is no objective `zen_scor`", "did you mean `zen_score`?", None),
        ("beauty", {}, "there is no objective `beauty`", "objectives are `zen_score`, ", None),
        ("zen_score", {"bach": 2}, "`zen_score` has no setting `bach`", "did you mean `batch`?", "bach"),
        ("params", {"batch": 2}, "`params` has no setting `batch`", "`archdsl explain params` tells its settings", "batch"),
        ("zico", {"batch": 1}, "`batch` of `zico` is a whole number, >= 2, not `1`", "images of a batch", "batch"),
        ("zico", {"batch": 2.0}, "`batch` of `zico` is a whole number, >= 2, not `2.0`", "", "batch"),
        ("zico", {"batch": True}, "`batch` of `zico` is a whole number, >= 2, not true", "", "batch"),
        ("zico", {"batch": None}, "`batch` of `zico` is a whole number, >= 2, not none", "", "batch"),
        ("zico", {"batch": "x" * 99}, f"`batch` of `zico` is a whole number, >= 2, not `{'x' * 55}...`", "", "batch"),
        ("zen_score", {"alpha": 0}, "`alpha` of `zen_score` is a number, > 0, not `0`", "", "alpha"),
        ("zen_score", {"alpha": float("nan")}, "`alpha` of `zen_score` is a number, > 0, not `nan`", "", "alpha"),
        ("zen_score", {"alpha": float("inf")}, "`alpha` of `zen_score` is a number, > 0, not `inf`", "", "alpha"),
        ("latency", {"compile": 1}, "`compile` of `latency` is true or false, not `1`", "", "compile"),
        ("memory", {"work": "both"}, "`work` of `memory` is `forward` or `training`, not `both`", "", "work"),
        (
            "memory",
            {"work": "training", "batch": 1},
            "`memory` does not take these settings: a step of training takes 2",
            "",
            None,
        ),
    ],
)
def test_a_wrong_setting_is_told(name: str, settings: dict[str, object], message: str, help: str, setting: str | None) -> None:
    with pytest.raises(WrongSetting) as caught:
        registry.make(name, settings)
    assert caught.value.message.startswith(message)
    assert str(caught.value) == caught.value.message
    assert caught.value.help.startswith(help)
    assert (caught.value.objective, caught.value.setting) == (name, setting)


def test_settings_are_kept() -> None:
    made = registry.make("zen_score", {"batch": 3, "alpha": 1})
    assert dataclasses.asdict(made) == {"batch": 3, "repeats": 2, "alpha": 1.0}


def test_a_plugin_is_found(packages: Packages) -> None:
    packages.add("plugged_own", GOOD.format(name="own"), "own")
    assert registry.names()[-1] == "own"
    assert registry.summary("own") == "Something of another package."
    assert registry.distribution("own") == "plugged_own"
    made = registry.make("own", {"rate": 1, "data": "here", "plain": -4})
    assert dataclasses.asdict(made) == {"rate": 1.0, "data": "here", "plain": -4}
    assert dataclasses.asdict(registry.make("own", {"data": None})) == {"rate": 0.5, "data": None, "plain": 3}
    with pytest.raises(WrongSetting, match="`rate` of `own` is a number, > 0, <= 1, not `2`"):
        registry.make("own", {"rate": 2})
    with pytest.raises(WrongSetting, match="`data` of `own` is text, or none, not `7`"):
        registry.make("own", {"data": 7})
    with pytest.raises(WrongSetting) as caught:
        registry.make("pwn", {})
    assert caught.value.help == "did you mean `own`?"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import a_device_that_is_not_here", "ModuleNotFoundError: No module named 'a_device_that_is_not_here'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "AttributeError"),
        ("Own = 7", "plugged_own:Own is not a dataclass derived from Objective"),
        ("class Own: name = 'own'", "plugged_own:Own is not a dataclass derived from Objective"),
        (GOOD.format(name="other"), "plugged_own:Own declares the objective other"),
        (GOOD.format(name="own").replace('    unit = "one"\n', ""), "plugged_own:Own does not say its unit"),
        (GOOD.format(name="own").replace('"minimize"', '"down"'), "plugged_own:Own has the direction 'down'"),
        (GOOD.format(name="own").replace("def measure", "def measured"), "plugged_own:Own does not define measure"),
        (
            GOOD.format(name="own").replace("plain: int", "plain: list[int]"),
            "TypeError: the setting plain is one of int, float, ",
        ),
    ],
)
def test_a_broken_plugin_is_one_clear_error(packages: Packages, text: str, error: str) -> None:
    packages.add("plugged_own", text, "own")
    found = registry.lookup("own")
    assert isinstance(found, BrokenPlugin)
    assert found.error.startswith(error)
    assert "own" in registry.names()
    with pytest.raises(archdsl.SpecError) as caught:
        registry.make("own", {})
    (told,) = caught.value.diagnostics
    assert told.slug == "broken-plugin"
    assert told.message.startswith("the objective `own` of the package `plugged_own` cannot be loaded: ")
    assert found.error in told.message
    assert registry.make("params", {}).name == "params"


def test_a_name_that_is_built_in_stays_so(packages: Packages) -> None:
    packages.add("plugged_own", "raise RuntimeError('imported')", "params")
    assert registry.make("params", {}).source.startswith("the closed form")
    assert registry.clashes() == (Clash("params", "plugged_own", "archdsl"),)


SPACE = """
arch tiny {
  input = 3x32x32
  classes = 10
  layout { residual layernorm -> token }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 2, token = attention(heads = 2) }
  head = mean -> linear(classes)
}
space deeper over tiny {
  stage s1 { depth = 1..4 }
  minimize NAME
}
"""


def test_a_space_names_what_a_package_brings_without_an_import(packages: Packages) -> None:
    packages.add("plugged_own", "raise RuntimeError('imported')", "own")
    space = archdsl.loads(SPACE.replace("NAME", "own"), name="deeper").space
    assert space is not None
    assert [(one.direction, one.name) for one in space.objectives] == [("minimize", "own")]
    with pytest.raises(archdsl.SpecError, match="did you mean `own`"):
        archdsl.loads(SPACE.replace("NAME", "onw"), name="deeper")
