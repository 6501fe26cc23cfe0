"""Registered means tested."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from archdsl.schema.registry import built_in
from archdsl.testing.conformance import ComponentSuite


def test_every_built_in_component_has_a_suite() -> None:
    tested = set()
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.name == Path(__file__).name:
            continue
        spec = importlib.util.spec_from_file_location(f"suites_{path.stem}", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tested |= {
            value.component
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, ComponentSuite) and value is not ComponentSuite and value.cases
        }
    assert not set(built_in()) - tested
