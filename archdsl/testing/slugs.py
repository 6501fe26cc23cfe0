"""The slugs that the package can report, read off its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Use:
    """A slug written as an argument, and where. The slug is empty where the argument is put together when the code runs."""

    slug: str
    place: str


def slugs(package: Path) -> list[Use]:
    """Every literal given to a parameter called `slug`, by whatever function or class of the package has one."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))}
    takers: dict[str, int] = {}
    for tree in trees.values():
        takers.update(_takers(tree))
    return [
        Use(slug, f"{path.relative_to(package.parent)}:{call.lineno}")
        for path, tree in trees.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _name(call) in takers
        for slug in _literals(_argument(call, takers[_name(call)]))
    ]


def _takers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of what takes a slug, with the place of it among the arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            fields = [
                entry.target.id
                for entry in node.body
                if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name)
            ]
            if "slug" in fields:
                yield node.name, fields.index("slug")
        elif isinstance(node, ast.FunctionDef):
            names = [entry.arg for entry in (*node.args.posonlyargs, *node.args.args)]
            if "slug" in names:
                yield node.name, names.index("slug") - (names[0] in ("self", "cls"))
            elif any(entry.arg == "slug" for entry in node.args.kwonlyargs):
                yield node.name, -1


def _name(call: ast.Call) -> str:
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _argument(call: ast.Call, at: int) -> ast.expr | None:
    named = next((entry.value for entry in call.keywords if entry.arg == "slug"), None)
    return named or (call.args[at] if 0 <= at < len(call.args) else None)


def _literals(value: ast.expr | None) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        if _SLUG.match(value.value):
            yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _literals(value.body)
        yield from _literals(value.orelse)
    elif isinstance(value, ast.JoinedStr) and _SLUG.match("".join(_constants(value)).strip("-")):
        yield ""


def _constants(value: ast.JoinedStr) -> Iterator[str]:
    for piece in value.values:
        if isinstance(piece, ast.Constant):
            yield str(piece.value)
