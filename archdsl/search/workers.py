"""Several workers on one study, each a process of its own, watched by the one that began them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from archdsl.search.claims import Claims
from archdsl.search.events import Finished, Listener, Stopping, Waiting, ignore
from archdsl.search.folder import StudyFolder
from archdsl.search.interrupts import Interrupts
from archdsl.search.job import threads_of
from archdsl.search.lease import Lease
from archdsl.search.problems import no_workers
from archdsl.search.study import Study, quiet
from archdsl.source.diagnostic import Diagnostic, Note, SpecError

if TYPE_CHECKING:
    from archdsl.search.events import Reason

_CODE = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from archdsl.search.workers import main; main()"
_LOOK_SECONDS = 0.2
# a worker that dies is started again, unless it has done so this often
_DEATHS = 5
_TOLD = 600


class _Process:
    """A worker, started."""

    def __init__(self, order: dict[str, Any]) -> None:
        # closed with the process
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.last: dict[str, Any] | None = None
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            # an interrupt at the terminal is passed on by the one that watches
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.say(order)

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        with suppress(ValueError, OSError):
            for line in self._popen.stdout:
                self.last = json.loads(line)

    def say(self, message: dict[str, Any]) -> None:
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(json.dumps(message) + "\n")
            self._popen.stdin.flush()

    def ended(self) -> bool:
        """Whether it is gone, with all that it said heard."""
        if self._popen.poll() is None:
            return False
        self._thread.join(timeout=5)
        return True

    def words(self) -> str:
        """How it died, and its last words."""
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {said[-1][-_TOLD:]}" if said else ""
        return f"a worker died with exit code {self._popen.returncode}{last}"

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._errors.close()


def supervise(study: Study, on_event: Listener, interrupts: Interrupts, *, failures: int) -> Reason:
    """Run a study in as many processes as its settings say, tell what ends, and give back what dead workers held.

    Raises
    ------
    SpecError: what a worker found wrong, or `no-evaluator` where workers only die.
    Interrupted: a second interrupt came.
    """
    settings = study.plan.settings
    order = {
        "study": study.plan.folder.name,
        "storage": settings.storage,
        "device": settings.device,
        "time_limit": settings.time_limit,
        "failures": failures,
        "threads": threads_of(study.plan),
    }
    found = [_Process(order) for _ in range(settings.workers)]
    try:
        return _watch(study, on_event, interrupts, found, order)
    finally:
        for process in found:
            process.kill()


def _watch(study: Study, on_event: Listener, interrupts: Interrupts, running: list[_Process], order: dict[str, Any]) -> Reason:
    from archdsl.search.space_to_optuna import distributions

    ledger, deaths, stopping = study.ledger, 0, False
    names = frozenset(distributions(study.plan.space))
    with quiet(), Lease(study.storage.inner) as lease:
        claims = Claims(study.storage, study.study_id, ledger, lease, names)
        while True:
            for index in ledger.sync():
                on_event(Finished(study.trial(index)))
            if interrupts.asked and not stopping:
                stopping = True
                on_event(Stopping())
                for process in running:
                    process.say({"stop": True})
            claims.reap()
            for process in [each for each in running if each.ended()]:
                last = process.last
                if last and "wrong" in last:
                    raise SpecError([_diagnostic(entry) for entry in last["wrong"]])
                if not last or "end" not in last:
                    deaths += 1
                    if deaths > _DEATHS:
                        raise no_workers(process.words())
                    on_event(Waiting(process.words()))
                    if not stopping:
                        running.append(_Process(order))
                # one that is not put away here is so in the end
                running.remove(process)
                process.kill()
            if not running:
                break
            time.sleep(_LOOK_SECONDS)
    for index in ledger.sync():
        on_event(Finished(study.trial(index)))
    study.read_total()
    return "interrupted" if stopping else "exhausted" if ledger.void else "complete"


def _diagnostic(entry: dict[str, Any]) -> Diagnostic:
    notes = tuple(Note(text) for text in entry["notes"])
    return Diagnostic(slug=entry["slug"], message=entry["message"], notes=notes, help=entry["help"])


# --- the worker's side ---


def main() -> None:
    """A worker: its orders come as lines of JSON, and it says in one how it ended."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    order = json.loads(orders.readline())
    interrupts = Interrupts()

    def listen() -> None:
        for line in orders:
            interrupts.asked = interrupts.asked or bool(json.loads(line).get("stop"))
        # whoever began it is gone
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    try:
        last: dict[str, Any] = {"end": _work(order, interrupts)}
    except SpecError as error:
        last = {
            "wrong": [
                {"slug": d.slug, "message": d.message, "notes": [note.message for note in d.notes], "help": d.help}
                for d in error.diagnostics
            ]
        }
    out.write(json.dumps(last) + "\n")
    out.flush()


def _work(order: dict[str, Any], interrupts: Interrupts) -> Reason:
    from archdsl.search.study import open_study, plan
    from archdsl.search.trial_loop import TrialLoop

    found = plan(
        StudyFolder.of(order["study"]),
        lambda settings: settings.changed(
            workers=1, storage=order["storage"], device=order["device"], time_limit=order["time_limit"]
        ),
    )
    study = open_study(found, "join")
    return TrialLoop(study, ignore, interrupts, threads=order["threads"], failures=order["failures"]).run()
