"""What one worker does: take a trial, propose a spec, have it evaluated, write down what was found, again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from archdsl.search.claims import Claim, Claims
from archdsl.search.evaluator import Evaluator
from archdsl.search.events import Finished, Listener, Running, Stopping, Waiting
from archdsl.search.interrupts import Interrupts
from archdsl.search.job import job, order, threads_of
from archdsl.search.lease import Lease
from archdsl.search.ledger import COUNTS, ERROR, EXHAUSTED, HASH, INDEX, OUTCOME, SAME_AS, SECONDS, YIELDS
from archdsl.search.problems import failing
from archdsl.search.proposal import Exhausted, Infeasible, Proposal, Proposer
from archdsl.search.study import Study, quiet

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from archdsl.search.events import Reason

# how often a worker without work looks again
_LOOK_SECONDS = 0.5
# trials that fail one after the other before the study stops
FAILURES = 10


class TrialLoop:
    """One worker of a study.

    Parameters
    ----------
    threads: of torch in an evaluation; 0 for its own choice, None for those of the study.
    failures: how many trials may fail one after the other.
    orderly: find out of each running trial whether its worker is alive, before any fresh one is begun.
    """

    def __init__(
        self,
        study: Study,
        on_event: Listener,
        interrupts: Interrupts,
        *,
        threads: int | None = None,
        failures: int = FAILURES,
        orderly: bool = False,
    ) -> None:
        plan, lock = study.plan, study.plan.lock
        self.study, self._tell, self._interrupts, self._failures = study, on_event, interrupts, failures
        self._ledger, self._storage = study.ledger, study.storage
        measured = plan.measured()
        self._pruner: BasePruner | None = None
        if len(measured) == 1 and measured[0].stepwise:
            from optuna.pruners import MedianPruner

            self._pruner = MedianPruner()
        threads = threads_of(plan) if threads is None else threads
        orders = order(plan, pruning=self._pruner is not None, threads=threads)
        self.evaluator = Evaluator(orders, plan.settings.time_limit, idle=self._look)
        self.proposer = Proposer(
            plan.feasible,
            self._ledger,
            sampler=lock.sampler,
            seed=lock.seed,
            objectives=len(lock.directions),
            trials=lock.trials,
        )
        self._failed = 0
        self._orderly = orderly
        self._stopping = self._told = False
        # what evaluations say they took, by step
        self.evaluated: dict[str, float] = {}

    def run(self) -> Reason:
        """Work until there is nothing left, or it is interrupted. Returns why it ended.

        Raises
        ------
        Interrupted: a second interrupt came; the running trial was given back.
        SpecError: `failing-trials`, `no-evaluator`, what is wrong with the storage.
        """
        with quiet(), Lease(self._storage.inner) as lease:
            names = frozenset(self.proposer.distributions)
            claims = Claims(self._storage, self.study.study_id, self._ledger, lease, names)
            self._ledger.sync()
            claims.reap()
            claims.restore(self.study.total)
            try:
                return self._run(claims)
            except BaseException:
                # with a storage that is full or gone there is nobody to give it back to: its lease ends
                with suppress(Exception):
                    claims.give_back()
                raise
            finally:
                self.evaluator.close()

    def _run(self, claims: Claims) -> Reason:
        while True:
            self._news()
            self._look()
            if self._interrupts.asked:
                return "interrupted"
            if self._ledger.open and claims.reap():
                # what a dead worker left comes before what is fresh
                continue
            if self._orderly and not self._settled(claims):
                continue
            claim = claims.take(self.study.total)
            if claim is not None:
                self._told = False
                self._work(claims, claim)
                continue
            self._news()
            if claims.reap() or (not self._ledger.open and claims.restore(self.study.total)):
                continue
            if not self._ledger.open:
                # somebody may want more by now
                if self._ledger.void:
                    return "exhausted"
                if self._ledger.fresh >= self.study.read_total():
                    return "complete"
                continue
            if not self._told and self._ledger.open:
                count = len(self._ledger.open)
                self._tell(Waiting(f"{count} trial{'s' * (count > 1)} of other workers"))
                self._told = True
            time.sleep(_LOOK_SECONDS)

    def _settled(self, claims: Claims) -> bool:
        """Whether it is known of each running trial that somebody is at it; waits a moment where it is not.

        After a power cut nobody is, which is known for sure a minute later. A trial that was running then comes first.
        """
        unknown = [frozen.number for frozen in self._ledger.open.values() if claims.is_unknown(frozen)]
        if not unknown:
            self._orderly = False
            return True
        if not self._told:
            self._tell(Waiting("a running trial is another machine's, or was running at a power cut: is its worker alive?"))
            self._told = True
        time.sleep(_LOOK_SECONDS)
        return False

    # --- one trial ---

    def _work(self, claims: Claims, claim: Claim) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self._tried(claims, claim)
        except UpdateFinishedTrialError:
            claims.lose()
            self._taken(claim)

    def _taken(self, claim: Claim) -> None:
        self._tell(Waiting(f"trial {claim.index} was given to another worker: this one was not heard of for long"))

    def _tried(self, claims: Claims, claim: Claim) -> None:
        from optuna.trial import TrialState

        sampler = self.proposer.sampler(claim.index)
        try:
            proposal = self._propose(sampler, claim)
        except Exhausted:
            claims.drop(EXHAUSTED)
            return
        except Infeasible as error:
            claims.finish(TrialState.FAIL, None, {INDEX: claim.index, ERROR: str(error), OUTCOME: "failed"})
            return
        same = self._same(claims, claim, proposal)
        if same is not None:
            self._take_over(claims, claim, same)
            return
        self._tell(Running(claim.index, proposal.hash))
        result = self._evaluated(claim, proposal)
        seconds = result["seconds"]
        for name, spent in seconds.items():
            self.evaluated[name] = self.evaluated.get(name, 0.0) + spent
        if result["bug"]:
            self._report_bug(claim, proposal, result["bug"])
        self._finish(claims, sampler, claim, result["state"], result["values"], result["error"], {SECONDS: seconds})

    def _propose(self, sampler: BaseSampler, claim: Claim) -> Proposal:
        """The spec of a trial, written into it."""
        frozen = self._storage.get_trial(claim.trial_id)
        proposer, fixed = self.proposer, claim.fixed
        self._optuna = self.study.optuna()
        if fixed is None or not any(key.endswith(":generation") for key in frozen.system_attrs):
            # also where it is known what comes out: what the sampler notes of a trial is part of the history
            before = self._storage.seconds
            sampled = proposer.sampled(sampler, self._optuna, frozen)
            proposer.sampling -= self._storage.seconds - before
        if fixed is None:
            proposal = proposer.unseen(sampled, claim.index, claim.number)
        else:
            proposal = proposer.given(fixed, claim.number)
            if claim.again and claim.index and proposal.same_as is not None:
                # another worker drew it since
                proposal = proposer.unseen(proposal.params, claim.index, claim.number)
        for name, distribution in proposer.distributions.items():
            internal = distribution.to_internal_repr(proposal.params[name])
            self._storage.set_trial_param(claim.trial_id, name, internal, distribution)
        self._write(claim, INDEX, claim.index)
        self._write(claim, COUNTS, self._counts(proposal))
        self._write(claim, HASH, proposal.hash)
        return proposal

    def _counts(self, proposal: Proposal) -> dict[str, int]:
        from archdsl.ir.counts import closed_form

        began = time.perf_counter()
        found = closed_form(proposal.network)
        self.proposer.making += time.perf_counter() - began
        return {"params": found.params, "flops": found.flops}

    def _same(self, claims: Claims, claim: Claim, proposal: Proposal) -> int | None:
        """The index of the trial that has this spec, after it has ended; None where this one is to evaluate it.

        Its hash was written before. So of two that drew a spec at the same moment, one at least sees the other: the later
        one yields to the earlier, and the earlier waits for a later one that does not yield, as that has not seen it.
        """
        yields = False
        while True:
            self._news()
            found = self._ledger.by_hash.get(proposal.hash)
            if found is not None:
                return found
            others = self._ledger.others_with(proposal.hash, claim.number)
            if yields != any(other.number < claim.number for other in others):
                yields = not yields
                self._write(claim, YIELDS, yields)
                # what others did before they saw it
                continue
            if not yields and all(other.user_attrs.get(YIELDS) for other in others):
                return None
            claims.reap()
            self._look()
            time.sleep(_LOOK_SECONDS)

    def _evaluated(self, claim: Claim, proposal: Proposal) -> dict[str, Any]:
        began = time.perf_counter()
        told = job(self.study.plan, proposal.point, proposal.hash)
        self.proposer.making += time.perf_counter() - began
        return self.evaluator.evaluate(told, lambda number, value: self._goes_on(claim, number, value))

    def _goes_on(self, claim: Claim, step: int, value: float) -> bool:
        """Whether a trial goes on after an intermediate value."""
        from optuna.exceptions import UpdateFinishedTrialError

        assert self._pruner is not None
        try:
            self._storage.set_trial_intermediate_value(claim.trial_id, step, value)
        except UpdateFinishedTrialError:
            # it was taken away, which is noticed again when it ends
            return False
        return not self._pruner.prune(self._optuna, self._storage.get_trial(claim.trial_id))

    def _finish(
        self,
        claims: Claims,
        sampler: BaseSampler,
        claim: Claim,
        state: str,
        values: list[float],
        error: str | None,
        attributes: Mapping[str, Any],
    ) -> None:
        from optuna.trial import TrialState

        told: list[float] | None = values
        if state == "pruned":
            last = self._storage.get_trial(claim.trial_id).intermediate_values
            # one that was taken away before has none
            told = [last[max(last)]] if last else None
        ends = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(state, TrialState.FAIL)
        if ends is TrialState.FAIL:
            told = None
        noted = {**attributes, **({ERROR: error} if error else {}), OUTCOME: state}
        began, before = time.perf_counter(), self._storage.seconds
        sampler.after_trial(self._optuna, self._storage.get_trial(claim.trial_id), ends, told)
        self.proposer.sampling += time.perf_counter() - began - (self._storage.seconds - before)
        if not claims.finish(ends, told, noted):
            self._taken(claim)

    def _take_over(self, claims: Claims, claim: Claim, same: int) -> None:
        """Finish a trial with what was found of its spec before."""
        from optuna.trial import TrialState

        other = self._ledger.finished[same]
        noted = {SECONDS: {}, SAME_AS: same, OUTCOME: other.user_attrs[OUTCOME]}
        if error := other.user_attrs.get(ERROR):
            noted = {**noted, ERROR: error}
        claims.finish(other.state, other.values if other.state != TrialState.FAIL else None, noted)

    def _report_bug(self, claim: Claim, proposal: Proposal, bug: str) -> None:
        folder = self.study.plan.folder
        text = self.study.plan.spec.arch(proposal.point).canonical
        folder.write(folder.bugs / f"trial_{claim.index}.arch", f"# {bug}\n{text}")

    # --- around it ---

    def _write(self, claim: Claim, name: str, value: object) -> None:
        self._storage.set_trial_user_attr(claim.trial_id, name, value)

    def _news(self) -> None:
        """Read what has ended, whoever did it, and tell it."""
        for index in self._ledger.sync():
            trial = self.study.trial(index)
            self._failed = self._failed + 1 if trial.state == "failed" and trial.same_as is None else 0
            self._tell(Finished(trial))
            if self._failed >= self._failures:
                raise failing(self._failed, trial.error or "")

    def _look(self) -> None:
        """Tell of an interrupt as soon as it is seen."""
        if self._interrupts.asked and not self._stopping:
            self._stopping = True
            self._tell(Stopping())
