"""Values behave as those of `dataclasses`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import ClassVar

import pytest

from archdsl.source import record
from archdsl.source.record import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Point:
    """A place."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list, compare=False)
    note: str = field(default="", compare=False, repr=False)
    unit: ClassVar[str] = "m"

    @property
    def both(self) -> int:
        return self.x + self.y


@dataclass(frozen=True, slots=True)
class Other:
    x: int
    y: int = 2


@dataclass(slots=True)
class Mutable:
    x: int
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class Identity:
    name: str
    text: str = field(repr=False)


def test_construction() -> None:
    assert (Point(1).x, Point(1).y, Point(1, note="a").note, Point(1).both, Point.unit) == (1, 2, "a", 3, "m")
    assert Point(1).tags == [] and Point(1).tags is not Point(1).tags
    with pytest.raises(TypeError, match="x"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="z"):
        Point(1, z=1)  # type: ignore[call-arg]


def test_equality_is_of_the_class_and_of_the_fields_that_compare() -> None:
    assert Point(1, 2, ["a"]) == Point(1, 2, ["b"]) != Point(1, 3)
    assert hash(Point(1, 2, note="a")) == hash(Point(1, 2))
    assert Point(1) != Other(1)
    assert {Point(1): "a"}[Point(1)] == "a"
    assert Identity("a", "b") != Identity("a", "b")
    assert Mutable(1) == Mutable(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Mutable(1))


def test_a_frozen_value_keeps_its_fields() -> None:
    for value in (Point(1), Identity("a", "b")):
        with pytest.raises(AttributeError, match="cannot assign"):
            value.x = 2  # type: ignore[misc, union-attr]
        with pytest.raises(AttributeError, match="cannot delete"):
            del value.x  # type: ignore[misc, union-attr]
    mutable = Mutable(1)
    mutable.x = 2
    assert mutable.x == 2
    with pytest.raises(AttributeError):
        mutable.z = 3  # type: ignore[attr-defined]


def test_representation() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2, tags=[])"
    assert repr(Identity("a", "b")) == "Identity(name='a')"


def test_replace() -> None:
    assert replace(Point(1, 5), x=3) == Point(3, 5)
    with pytest.raises(TypeError, match="z"):
        replace(Point(1), z=1)


@pytest.mark.parametrize("again", [lambda v: pickle.loads(pickle.dumps(v)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("value", [Point(1, 2, ["a"], "n"), Identity("a", "b"), Mutable(1, {2})])
def test_copies(value: object, again: object) -> None:
    copied = again(value)  # type: ignore[operator]
    assert type(copied) is type(value) and repr(copied) == repr(value)


def test_the_standard_module_knows_them() -> None:
    assert [entry.name for entry in dataclasses.fields(Point)] == ["x", "y", "tags", "note"]
    assert dataclasses.replace(Point(1), y=9) == Point(1, 9)
    assert dataclasses.asdict(Other(1)) == {"x": 1, "y": 2}
    assert dataclasses.is_dataclass(Point)
    match Point(1, 7):
        case Point(x, y):
            assert (x, y) == (1, 7)


def test_fields_of_either_kind() -> None:
    @dataclasses.dataclass(frozen=True)
    class Standard:
        x: int = dataclasses.field(metadata={"doc": "d"})

    @dataclass(frozen=True)
    class Mixed:
        x: int = dataclasses.field(metadata={"doc": "d"})
        y: int = dataclasses.field(default=4)

    assert list(record.declared(Standard)) == [("x", "int", {"doc": "d"})]
    assert list(record.declared(Mixed)) == [("x", "int", {"doc": "d"}), ("y", "int", {})]
    assert record.names(Mixed(1)) == ("x", "y") and Mixed(1).y == 4


def test_inheritance() -> None:
    @dataclass(frozen=True)
    class Base:
        x: int

    @dataclass(frozen=True)
    class Child(Base):
        y: int

    assert record.names(Child) == ("x", "y")
    assert (Child(1, 2).x, Child(1, 2).y) == (1, 2)
