"""`archdsl verify`: specs against their papers, fvcore, and the logits of their published weights."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_json
from archdsl.cli.console import CALL_AT_FAULT, DONE, INPUT_AT_FAULT, CallError, Console
from archdsl.cli.main import exit_code
from archdsl.source.diagnostic import SpecError

if TYPE_CHECKING:
    from archdsl.cli.progress import Progress
    from archdsl.testing.stored import Goldens
    from archdsl.verifying import Verified

NAME = "verify"
HELP = "hold specs against their papers, fvcore, and the logits of their published weights"
EXAMPLES = (
    "archdsl verify @davit_tiny specs/biformer_t.arch",
    "archdsl verify --markdown > specs/README.md",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("specs", metavar="SPEC", nargs="*", help="FILE, FILE:NAME, @NAME, or a folder; none: all packaged ones")
    parser.add_argument("--goldens", metavar="DIR", help="the stored logits (tests/golden beside the folder of each spec)")
    parser.add_argument("--fuse", action="store_true", help="measure and compare the deploy form, with its branches merged")
    parser.add_argument("--counts", action="store_true", help="the closed form alone: nothing is measured or compared")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a page of Markdown, such as that of the packaged specs")
    add_json(form)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from pathlib import Path

    from archdsl.testing.stored import Goldens

    if args.goldens is not None and not args.goldens.strip():
        raise CallError("`--goldens` is empty", "name a folder, or leave it out: `tests/golden` beside the specs is read then")
    goldens = Goldens(None if args.goldens is None else Path(args.goldens))
    work = _Work(args, console, goldens)
    if args.json or args.markdown:
        work.run()
        if args.json:
            from archdsl.cli.verify_page import document

            console.json(document([*work.done, *work.lost]))
        else:
            from archdsl.cli.verify_page import page

            console.out(page(work.done))
            if args.counts:
                console.say(
                    "counted in closed form: fvcore was not run, and no golden was compared; without `--counts` both are"
                )
    else:
        work.show()
    return work.end()


class _Work:
    """One run: each spec is read before anything is measured, and then told as soon as it is done."""

    def __init__(self, args: Namespace, console: Console, goldens: Goldens) -> None:
        self.done: list[Verified] = []
        self._console = console
        self._json, self._counts = args.json, args.counts
        self._fuse = args.fuse
        self._planned = [_planned(name, goldens, fuse=args.fuse) for name in _specs(args.specs)]
        # of all packaged specs, every golden is of one
        self.lost = [] if args.specs else _lost(self._planned, goldens)

    def run(self) -> None:
        """Verify everything."""
        for _ in self._finished():
            pass

    def show(self) -> None:
        """Verify everything, and print a table as it grows."""
        from archdsl.cli.verify_table import Rows

        console = self._console
        rows = Rows(self._planned, measured=not self._counts)
        if console.stdout.isatty() and rows.width > console.width:
            rows = Rows(self._planned, measured=not self._counts, narrow=True)
        try:
            for line in rows.lines(self._finished(), unicode=console.unicode):
                console.out(line)
                # what was printed stays, whatever happens next
                console.flush()
        finally:
            if notes := rows.notes(console.width):
                console.out(f"\n{notes}")

    def end(self) -> int:
        """Say what falls short, and return the exit code."""
        from archdsl.source.cells import safe

        console, every = self._console, _many(len(self.done))
        found = [diagnostic for spec in self.done for diagnostic in spec.diagnostics]
        if found and not self._json:
            console.diagnostics(found)
        whole = [spec.name for spec in self.done if self._fuse and spec.spec and not spec.fuse]
        if whole:
            which = f"`{safe(whole[0])}` has" if len(whole) == 1 else f"{len(whole)} of {every} have"
            console.say(
                f"{which} no branches to merge: `--fuse` leaves {'it as it is' if len(whole) == 1 else 'them as they are'}"
            )
        if not (self._counts or any(spec.goldens for spec in self.done)):
            console.say("no golden is stored for any of these; `--goldens DIR` names a folder that has some")
        short = [spec for spec in self.done if not spec.holds]
        if bare := [spec.name for spec in self.done if spec.bare]:
            which = f"`{safe(bare[0])}`" if len(bare) == 1 else f"{len(bare)} of them"
            what = "no `expect` line" if self._counts else "no `expect` line and no golden"
            console.say(f"{which} had nothing to be held against: {what}")
        if not short and not self.lost:
            console.say(f"{every} verified{console.elapsed()}")
            return DONE
        if short:
            console.fail(f"{len(short)} of {every} fall{'s' * (len(short) == 1)} short{console.elapsed()}")
        if self.lost:
            console.fail(f"{len(self.lost)} golden{'s' * (len(self.lost) != 1)} compared with nothing")
        for spec in (*short, *self.lost):
            for shortfall in spec.shortfalls:
                print(f"  {safe(spec.name)}: {safe(shortfall.message)}", file=console.stderr)
        return INPUT_AT_FAULT

    def _finished(self) -> Iterator[Verified]:
        for at, planned in enumerate(self._planned, start=1):
            found = planned
            if not self._counts:
                with self._console.progress() as progress:
                    found = self._measured(planned, f"{planned.name} ({at} of {len(self._planned)})", progress)
            self.done.append(found)
            yield found

    def _measured(self, planned: Verified, name: str, progress: Progress) -> Verified:
        from archdsl.verifying import measured

        return measured(planned, step=lambda text: progress.step(f"{name}: {text}"))


def _planned(name: str, goldens: Goldens, *, fuse: bool) -> Verified:
    """What can be said without torch; what is wrong with a spec keeps none of the others from being verified."""
    from archdsl import api
    from archdsl.verifying import Shortfall, Verified, verify_counts

    try:
        spec = api.load(name)
    except SpecError as error:
        if exit_code(error.diagnostics) == CALL_AT_FAULT:
            raise
        first = next(found for found in error.diagnostics if found.severity == "error")
        return Verified(name, None, fuse, shortfalls=(Shortfall("spec", first.message),), diagnostics=error.diagnostics)
    if spec.kind == "space":
        raise CallError(
            f"`{spec.name}` is a space, and archs are verified", "`archdsl check` holds a space against its budgets"
        )
    return verify_counts(spec, goldens=goldens, fuse=fuse)


def _lost(planned: Iterable[Verified], goldens: Goldens) -> list[Verified]:
    """The goldens that no spec is compared with, each with what is wrong with it."""
    from archdsl.verifying import Shortfall, Verified

    # a spec that cannot be read is called as it was asked for
    names = {spec.name.removeprefix("@") for spec in planned}
    return [
        Verified(golden.name, None, shortfalls=(Shortfall("golden", f"it is of `{golden.spec}`, and no spec has this name"),))
        for golden in goldens.beside(names)
    ]


def _specs(paths: list[str]) -> list[str]:
    """The specs that are meant, each as it is called."""
    from archdsl.cli import catalog, texts
    from archdsl.cli.files import spec_files

    if not paths:
        return catalog.specs()
    return [name for path in spec_files(paths, (".arch", ".yaml", ".yml")) for name in texts.models(path)]


def _many(count: int) -> str:
    return f"{count} spec{'s' * (count != 1)}"
