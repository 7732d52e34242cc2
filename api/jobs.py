"""The kinds of work that the worker knows, each as load, process, apply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from agent.outbreak import Detector, Sighting, Trace
from api.auth import WORKER
from api.clock import Clock
from api.desk import Desk, DraftWork
from api.outbreaks import SIGHT, SightWork
from api.store.precedents import EMBED, PrecedentArchive
from api.store.queue import Job
from retrieval.precedent import Encoder, Vectors

W = TypeVar("W")
R = TypeVar("R")


class Handler(Protocol[W, R]):
    """One kind of work. `load` and `apply` are short transactions in a thread; `process` holds no database session."""

    @property
    def kind(self) -> str:
        """The name in the jobs table."""
        ...

    @property
    def max_attempts(self) -> int:
        """Crashes after which the job is given up."""
        ...

    def load(self, job: Job) -> W | None:
        """What the job needs, or None when there is nothing left to do."""
        ...

    async def process(self, work: W) -> R:
        """The long part; it may be repeated after a crash."""
        ...

    def apply(self, job: Job, work: W, result: R) -> None:
        """Store the result and finish the job in one transaction.

        Raises:
            LeaseLostError: another worker has the job; nothing is stored.
            StaleWorkError: the world changed; nothing is stored and the job runs again.

        """
        ...

    def give_up(self, job: Job, error: str) -> None:
        """Bury the job in one transaction, and tell a human where one waits for it."""
        ...


Handlers: TypeAlias = Mapping[str, Handler[Any, Any]]

TRACE: Final = "trace"
"""Under this name a drafter may hand over the case's trace, which is no part of the proposal."""

Drafter: TypeAlias = Callable[[DraftWork], Awaitable[Mapping[str, Any]]]
"""Writes the proposal for a case, as JSON."""


def registry(*handlers: Handler[Any, Any]) -> Handlers:
    """Handlers by the kind of job that they do."""
    return {handler.kind: handler for handler in handlers}


@dataclass(frozen=True, slots=True)
class DraftHandler:
    """Drafts an answer to one case."""

    desk: Desk
    drafter: Drafter
    kind: str = "draft"
    max_attempts: int = 4

    def load(self, job: Job) -> DraftWork | None:
        """The escalation as it stands now; None when its draft was decided otherwise."""
        return self.desk.draft_work(job)

    async def process(self, work: DraftWork) -> Mapping[str, Any]:
        """The proposal."""
        return await self.drafter(work)

    def apply(self, job: Job, work: DraftWork, result: Mapping[str, Any]) -> None:
        """Store the proposal."""
        proposal = {name: value for name, value in result.items() if name != TRACE}
        trace: Trace | None = result.get(TRACE)
        self.desk.apply_proposal(WORKER, job, proposal, case_version=work.case_version, trace=trace)

    def give_up(self, job: Job, error: str) -> None:
        """The case goes to a human without a draft."""
        self.desk.draft_failed(WORKER, job, error)


@dataclass(frozen=True, slots=True)
class SightHandler:
    """Looks whether a case belongs to what other customers report."""

    desk: Desk
    known: dict[tuple[str, str], Trace] = field(default_factory=dict[tuple[str, str], Trace])
    """Traces read before, so that each is read once."""
    kind: str = SIGHT
    max_attempts: int = 4

    def load(self, job: Job) -> SightWork | None:
        """What to compare; None when nothing is to be found."""
        return self.desk.sight_work(job, self.known)

    async def process(self, work: SightWork) -> Sighting:
        """What the case means beside the recent ones."""
        rules = self.desk.rules.outbreak
        assert rules is not None  # noqa: S101 - there is no work without
        return await asyncio.to_thread(Detector(rules).look, work.new, work.recent, work.linked)

    def apply(self, job: Job, work: SightWork, result: Sighting) -> None:
        """Link what belongs together."""
        self.desk.apply_sighting(WORKER, job, work, result)

    def give_up(self, job: Job, error: str) -> None:
        """The case stays by itself; people can still put it into an incident."""
        self.desk.bury(WORKER, job, error)


@dataclass(frozen=True, slots=True)
class EmbedHandler:
    """Encodes some of the precedents that wait for a vector; each job leaves the next one behind."""

    archive: PrecedentArchive
    encoder: Encoder
    clock: Clock
    batch: int = 64
    kind: str = EMBED
    max_attempts: int = 4

    def load(self, job: Job) -> Sequence[tuple[str, str]] | None:
        """Ids and summaries; None when none wait."""
        return self.archive.waiting(self.encoder.fingerprint, self.batch) or None

    async def process(self, work: Sequence[tuple[str, str]]) -> Vectors:
        """Their vectors."""
        return await asyncio.to_thread(self.encoder.encode, [text for _, text in work])

    def apply(self, job: Job, work: Sequence[tuple[str, str]], result: Vectors) -> None:
        """Store the vectors."""
        vectors = {id_: result[number] for number, (id_, _) in enumerate(work)}
        self.archive.finish_vectors(job, self.encoder.fingerprint, vectors, self.clock.now())

    def give_up(self, job: Job, error: str) -> None:
        """The precedents go on waiting; the search says how many do."""
        self.archive.bury(job, error, self.clock.now())
