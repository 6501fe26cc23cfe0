"""The arguments that verbs share, and a parser that says what was meant."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from archdsl.cli.console import CallError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `CallError`, with a did-you-mean for options."""

    def error(self, message: str) -> NoReturn:
        raise CallError(message, f"`{self.prog} --help` shows how it is called")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        choices = [str(choice) for choice in action.choices or ()]
        if choices and value not in choices:
            from archdsl.source.suggest import closest

            near = closest(str(value), choices)
            said = f"`{value}` is none of {', '.join(choices)}"
            raise CallError(said, f"did you mean `{near}`?" if near else "")

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """The arguments of a call."""
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            from archdsl.source.suggest import closest

            word = unknown[0].split("=")[0]
            if not word.startswith("-"):
                raise CallError(f"unexpected argument `{word}`", f"`{self.prog} --help` shows how it is called")
            near = closest(word, self._option_string_actions)
            raise CallError(
                f"`{self.prog}` has no option `{word}`",
                f"did you mean `{near}`?" if near else f"`{self.prog} --help` lists them",
            )
        return arguments


class Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, at most 100 cells."""

    def __init__(self, prog: str) -> None:
        import shutil

        width = min(100, shutil.get_terminal_size((100, 24)).columns) if sys.stdout.isatty() else 100
        super().__init__(prog, max_help_position=26, width=width)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of every verb. `archdsl --help` describes them."""
    hidden = argparse.SUPPRESS
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help=hidden)
    parser.add_argument("-q", "--quiet", action="store_true", help=hidden)
    parser.add_argument("-v", "--verbose", action="store_true", help=hidden)
    parser.add_argument("--debug", action="store_true", help=hidden)


def add_spec(parser: argparse.ArgumentParser) -> None:
    """One spec."""
    parser.add_argument("spec", metavar="SPEC", help="FILE, FILE:NAME, or @NAME of a packaged spec")


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Values from outside the spec."""
    parser.add_argument(
        "--set",
        metavar="NAME=EXPR",
        action="append",
        default=[],
        help="replace a value, such as `s3.depth=9` or `width=96`; several times",
    )
    parser.add_argument("--at", metavar="HxW", help="for an input of this height and width")


def overrides(arguments: argparse.Namespace) -> dict[str, str] | None:
    """What `--set` says, by name."""
    found: dict[str, str] = {}
    for entry in arguments.set:
        name, sign, value = entry.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise CallError(f"`--set {entry}` has no value", "write `--set NAME=EXPR`, such as `--set s3.depth=9`")
        if name.strip() in found:
            raise CallError(f"`--set {name.strip()}` is given twice")
        found[name.strip()] = value.strip()
    return found or None


def size(arguments: argparse.Namespace) -> tuple[int, int] | None:
    """What `--at` says."""
    if arguments.at is None:
        return None
    height, sign, width = arguments.at.partition("x")
    numbers = (height, width)
    if not sign or not all(number.isascii() and number.isdecimal() and len(number) < 7 for number in numbers):
        raise CallError(f"`--at {arguments.at}` is no size", "write height and width in pixels, such as `--at 224x224`")
    return int(height), int(width)


def add_json(parser: argparse._ActionsContainer) -> None:
    """One JSON document instead of text."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")
