"""`archdsl explain`: the long story of an error, a component, an objective, a word of the language, or a value."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from archdsl.cli.arguments import add_overrides
from archdsl.cli.console import DONE, CallError, Console

if TYPE_CHECKING:
    from archdsl.schema.component import Component
    from archdsl.schema.field import Field

NAME = "explain"
HELP = "tell the long story of an error, a component, a word, or a value in a spec"
EXAMPLES = (
    "archdsl explain shape-mismatch",
    "archdsl explain s3.dim specs/biformer_t.arch",
)

_TYPES = {
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "str": "text",
    "Size": "size",
    "Component": "component",
    "floats": "list of numbers",
    "pairs": "list of pairs of whole numbers",
}
_BOUNDS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "what",
        metavar="SLUG|COMPONENT|WORD|PATH",
        help="an error, a component, an objective, a word such as `cycle` or `fuse`, or with SPEC a value such as s3.dim",
    )
    parser.add_argument("spec", metavar="SPEC", nargs="?", help="FILE, FILE:NAME, or @NAME of a packaged spec")
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    if args.spec is not None:
        return _value(args, console)
    from archdsl.cli import catalog

    if args.what in catalog.errors():
        console.out(catalog.error_page(args.what))
        return DONE
    name, _, field = args.what.partition(".")
    if name in catalog.components():
        console.out(_component(name, field))
        return DONE
    texts = [_word(args.what, console.width)]
    if args.what in catalog.objectives():
        texts.append(_objective(args.what, console.width))
    text = "\n\n".join(filter(None, texts))
    if not text:
        _unknown(args.what)
    console.out(text)
    return DONE


def _value(args: Namespace, console: Console) -> int:
    from archdsl import api
    from archdsl.cli.arguments import overrides, size

    spec = api.load(args.spec, set=overrides(args), at=size(args))
    steps = spec.explain(args.what)
    from archdsl.source.diagnostic import Note
    from archdsl.source.render import notes

    console.out(notes([Note(text, span) for text, span in steps], color=console.colored(console.stdout), width=console.width))
    return DONE


def _word(word: str, width: int) -> str:
    """What the reference says of a word of the language, and what goes by it around the language."""
    from archdsl.cli.topics import topic_about
    from archdsl.cli.words import word_about, words

    known = words()
    texts = [word_about(word, width) if word in known else "", topic_about(word, width)]
    if not any(texts) and word.removesuffix("s") in known:
        texts = [word_about(word.removesuffix("s"), width)]
    return "\n\n".join(filter(None, texts))


def _unknown(what: str) -> NoReturn:
    from archdsl.cli import catalog
    from archdsl.cli.topics import topics
    from archdsl.cli.words import words
    from archdsl.source.suggest import closest

    known = [*catalog.errors(), *catalog.components(), *catalog.objectives(), *words(), *topics()]
    if near := closest(what, known):
        raise CallError(f"there is no error, component or word `{what}`", f"did you mean `{near}`?")
    if "." in what:
        raise CallError(f"`{what}` needs a spec", f"`archdsl explain {what} SPEC`")
    raise CallError(
        f"there is no error, component or word `{what}`", "`archdsl list errors` and `archdsl list components` name them"
    )


def _component(name: str, field: str) -> str:
    from archdsl.schema import registry

    found = registry.lookup(name)
    if found is None or isinstance(found, registry.BrokenPlugin):
        why = found.error if found else "it is gone"
        raise CallError(f"the component `{name}` of `{registry.distribution(name)}` cannot be used: {why}")
    fields = found.schema.fields
    if field:
        from archdsl.source.suggest import did_you_mean

        fields = tuple(entry for entry in fields if entry.name == field)
        if not fields:
            names = [entry.name for entry in found.schema.fields]
            raise CallError(f"`{name}` has no field `{field}`", did_you_mean(field, names, "its fields are"))
    blocks = [f"{name} ({found.schema.slot})\n  {_indented(found.schema.doc)}"]
    if fields:
        blocks.append("\n".join(_field(entry) for entry in fields))
    if not field and (page := _readme(found)):
        blocks.append(page)
    return "\n\n".join(blocks)


def _objective(name: str, width: int) -> str:
    import textwrap

    from archdsl.search.objectives import registry

    found = registry.lookup(name)
    if found is None or isinstance(found, registry.BrokenPlugin):
        why = found.error if found else "it is gone"
        raise CallError(f"the objective `{name}` of `{registry.distribution(name)}` cannot be used: {why}")
    facts = {"direction": found.direction, "unit": found.unit, "cost": found.cost, "source": found.source}
    lines = [
        textwrap.fill(f"{key}: {fact}", width, initial_indent="  ", subsequent_indent="      ") for key, fact in facts.items()
    ]
    blocks = [f"{name} (an objective)\n  {_indented((found.__doc__ or '').strip())}", "\n".join(lines)]
    if fields := registry.settings(found):
        blocks.append("settings\n" + "\n".join(_field(entry) for entry in fields))
    return "\n\n".join(blocks)


def _field(entry: Field) -> str:
    from archdsl.report.written import written

    kind = " | ".join(f'"{choice}"' for choice in entry.choices) if entry.choices else _TYPES[entry.type]
    kind += " or none" if entry.optional else ""
    bounds = [f"{sign} {limit:g}" for word, sign in _BOUNDS if (limit := getattr(entry, word)) is not None]
    bounds += [f"divides the {entry.divides}"] if entry.divides else []
    default = "required" if entry.required else f"default {written(entry.default)}"
    return f"  {entry.name}: {', '.join([kind, *bounds, default])}\n      {entry.doc}"


def _indented(doc: str) -> str:
    lines = doc.splitlines()
    return "\n".join([lines[0], *("  " + line.strip() if line.strip() else "" for line in lines[1:])])


def _readme(found: type[Component]) -> str:
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    page = Path(file).with_name("README.md") if file else None
    return page.read_text(encoding="utf-8").strip() if page and page.is_file() else ""
