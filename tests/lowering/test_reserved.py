"""The front end knows the attributes of the modules that own named parts without importing torch."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.ir.reserved import RESERVED, is_reserved, other_name
from archdsl.lowering.level import Block, Level
from archdsl.lowering.steps import Identity

SPEC = """\
arch tiny {{
  input   = 3x8x8
  classes = 2
  let {part} = conv(3x3)
  layout {{ residual layernorm -> {part} }}
  stem = conv(4x4, out = 4, stride = 4)
  stage {stage} {{ dim = 4, depth = 1 }}
  head = mean -> linear(classes)
}}
"""


@pytest.mark.parametrize("owner", [Level({}), Block({}, Identity(), 0.0)], ids=["level", "block"])
def test_every_attribute_of_a_module_with_named_children_is_reserved(owner: Level) -> None:
    # some are given to it by torch: when it is compiled, for one
    assert [name for name in dir(owner) if not is_reserved(name)] == []


def test_a_level_has_no_more_attributes_than_needed() -> None:
    own = set(dir(Block({}, Identity(), 0.0))) - set(dir(Level.__base__()))
    assert {name for name in own if not name.startswith("__")} == {"step", "drop_rate", "_recompute"}


@pytest.mark.parametrize(
    "name", ["escape", "run", "forward_features", "image", "name", "heads", "num_classes", "stem", "_plans"]
)
def test_attributes_of_a_backbone_are_free(name: str) -> None:
    # its own children have fixed names
    spec = archdsl.loads(SPEC.format(part=name, stage=f"{name}_"))
    assert f"stages.{name}_.0.{name}.weight" in archdsl.build(spec).state_dict()
    assert archdsl.build(archdsl.loads(SPEC.format(part="a", stage=name))).stages.get_submodule(name)


@pytest.mark.parametrize("name", ["half", "drop_rate", "_modules", "__init__", "__anything", "T_destination"])
def test_the_front_end_refuses_what_is_reserved(name: str) -> None:
    for part, stage in ((name, "s1"), ("a", name)):
        with pytest.raises(archdsl.SpecError) as caught:
            archdsl.loads(SPEC.format(part=part, stage=stage))
        assert [found.slug for found in caught.value.diagnostics] == ["reserved-label"]


def test_the_name_that_is_offered_can_be_given() -> None:
    assert not [name for name in [*RESERVED, "__init__", "____"] if is_reserved(other_name(name))]
    assert (other_name("half"), other_name("__init__"), other_name("____")) == ("half_part", "init_part", "part")
