"""The replay tier: the whole desk with recorded answers in the model's place, without network, key or cost.

What the learned parts said is pinned in each recording, so a replay tests prompts, agent loop, validators, retries and
guard; what the learned parts say today is the business of the embedded tier.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from agent import guard, pipeline
from agent.classifier import Classifier, Sense
from agent.embedded import EmbeddedModel
from agent.guard import Rulebook
from agent.llm import EMBEDDED, build_model
from agent.llm_request import Endpoint
from agent.pack import Pack, load_pack
from agent.ports import NoOrders
from agent.prompts import Prompts, load_prompts
from agent.signals import Signals
from agent.understand import Reader
from evals.answer import Blank
from evals.cassette import FOLDER, Card, CassetteError, CassetteMiss, Expect, Library, Pins
from evals.cassette_play import Mode, Player, playing, sockets_shut
from evals.dataset import PROMPTS, SAMPLE, Case
from evals.engine import Engine, Seat
from evals.outcome import Trial
from retrieval.precedent import Found, Hit, Precedent, Query, Search

Json: TypeAlias = dict[str, Any]

_LEAST: Final = 0.001
"""Probabilities below this are not pinned."""


class _Said(Classifier):
    """The classifier as a recording pins it."""

    def __init__(self, pins: Pins) -> None:
        self.version = "pinned"
        self._pins = pins

    def predict(self, sense: Sense) -> dict[str, dict[str, float]]:
        """What was said when the case was recorded."""
        del sense
        lead = self._pins.human_lead
        return {
            "issue_type": self._pins.issue_type, "severity": self._pins.severity,
            "human_lead": {"yes": lead, "no": 1 - lead},
        }  # fmt: skip

    def issue_sentence(self, sense: Sense, issue_type: str) -> int:
        """Likewise."""
        return self._pins.issue_sentence if self._pins.issue_sentence < len(sense.english) else 0

    def familiar(self, sense: Sense) -> bool:
        """Nothing recorded is strange."""
        return True


class _Remembered:
    """The precedents as a recording pins them, whatever is asked for."""

    def __init__(self, pins: Pins) -> None:
        self._found = Found(tuple(_hit(card) for card in pins.precedents), note=pins.note or None)

    def search(self, query: Query) -> Found:
        """At most as many as are wanted."""
        return replace(self._found, hits=self._found.hits[: query.k])


def _hit(card: Card) -> Hit:
    blank = Precedent(
        card.id, card.issue_type, "S3", card.language, "email", card.summary, card.remedy_kind, card.remedy, None, None,
        timedelta(), datetime(2024, 1, 1, tzinfo=UTC), "resolved", "", None,
    )  # fmt: skip
    return Hit(blank, card.score, "similar")


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """What a replay reads of the project beside recordings and cases; nothing learned, so it is there at once."""

    pack: Pack
    prompts: Prompts
    reader: Reader
    rulebook: Rulebook

    def desk(self, pins: Pins) -> pipeline.Deps:
        """The desk of one case, whose learned parts say what is pinned."""
        embedded = EmbeddedModel(self.prompts)
        return pipeline.Deps(
            self.pack, self.prompts, self.reader.signals, self.reader, _Said(pins), Blank(), _Remembered(pins),
            NoOrders(), self.rulebook, embedded,
        )  # fmt: skip


def load_files(prompts: Path = PROMPTS, store: Path = SAMPLE) -> Files:
    """The project's own prompts and pack, and the sample store's.

    Raises:
        BrokenFile: one of them cannot be used.

    """
    pack = load_pack(prompts, store)
    reader = Reader(pack, Signals(pack), Blank(), Blank())
    return Files(pack, load_prompts(prompts), reader, guard.load_rulebook(prompts, pack))


@contextmanager
def seated(deps: pipeline.Deps, player: Player, endpoint: Endpoint | None = None) -> Generator[Seat]:
    """The desk with the player in the place of the recording's model; waits between tries only for an endpoint."""
    name, sleep = player.recording.model, asyncio.sleep if endpoint else _at_once
    endpoints = {name: endpoint or Endpoint(key="replay")}
    model = build_model([name], embedded=EmbeddedModel(deps.prompts), endpoints=endpoints, sleep=sleep)
    with playing(player):
        yield Seat(replace(deps, model=model), stale=lambda: player.stale)


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


def engine(library: Library, files: Files, mode: Mode = "replay") -> Engine:
    """Recorded answers as an engine for the runner.

    Args:
        library: the recordings.
        files: the project's texts.
        mode: `replay`, or `stale`: answers that no longer belong to their requests are played all the same, and the
            trial says that it is stale.

    """

    @contextmanager
    def of(case: Case, trial: int) -> Generator[Seat]:
        recording = library.recordings.get(case.name)
        if recording is None:
            raise CassetteMiss(case.name, "no answer of a model is recorded for it; `desk eval record` makes one.")
        player = Player(library, recording, trial, files.prompts, mode)
        with sockets_shut(), seated(files.desk(recording.pins), player) as seat:
            yield seat

    models = sorted({recording.model for recording in library.recordings.values()})
    nobody = Pins(issue_type={}, severity={}, human_lead=0.0)
    return Engine("+".join(models), "replay", files.desk(nobody), of, alone=True, more={"recordings": library.version})


def load_engine(cases: Iterable[str], folder: Path | None = None, mode: Mode = "replay") -> tuple[Engine, Library]:
    """The engine of the recordings in a folder, those that come with the desk when none is given.

    Raises:
        CassetteError: a recording cannot be used, or belongs to none of the cases.

    """
    library = Library.load(folder or FOLDER, cases)
    if not library.recordings:
        raise CassetteError(f"{library.folder}: there is no recording; `desk eval record` makes them.")
    return engine(library, load_files(), mode), library


def recorded(cases: Sequence[Case], library: Library) -> tuple[Case, ...]:
    """The cases that there are recordings of.

    Raises:
        CassetteError: there is none of any of them.

    """
    found = tuple(case for case in cases if case.name in library.recordings)
    if not found:
        raise CassetteError(f"{library.folder}: none of these cases is recorded; `desk eval record` makes it.")
    return found


def unmet(trials: Sequence[Trial], library: Library) -> dict[str, str]:
    """By case, what did not come of its recorded answer as it must; stale ones and those that failed to play left out.

    A written answer says itself what must come of it, mistakes included; a provider's answer must pass every hard scorer.
    """
    found = {t.case: _unmet(t, library.recordings[t.case].expect) for t in trials if t.answer and not t.stale}
    return {case: why for case, why in found.items() if why}


def _unmet(trial: Trial, expect: Expect | None) -> str:
    answer = trial.answer or {}
    less = {s.name for s in trial.scores if s.value is not None and s.value < 1}
    hard = {s.name for s in trial.scores if s.kind == "hard"} & less
    if expect is None:
        return f"fails {', '.join(sorted(hard))}" if hard else ""
    wrote = "embedded" if answer["engine"] == EMBEDDED else "model"
    rules = {finding["rule"] for finding in answer["guard"]["findings"] if finding["hard"]}
    if wrote != expect.engine:
        return f"the {wrote} engine wrote the draft: {answer['degraded_reason']}"
    if answer["state"] != expect.state:
        return f"it is {answer['state']}, not {expect.state}: {answer['state_reason']}"
    if passed_by := [*sorted(set(expect.findings) - rules), *sorted(set(expect.failed) - less)]:
        return f"its mistake is not seen by {', '.join(passed_by)}"
    if hard and expect.engine == "model" and not (expect.findings or expect.failed):
        return f"a sound answer fails {', '.join(sorted(hard))}"
    return ""


def told(trials: Sequence[Trial]) -> list[str]:
    """A sentence for each cause why recordings did not fit, with the lines that differ, the most common one first."""
    causes: Counter[str] = Counter()
    first: dict[str, str] = {}
    for trial in trials:
        if why := trial.error or trial.stale:
            cause, _, lines = why.removeprefix(f"{trial.case}: ").partition("\n")
            causes[cause] += 1
            first.setdefault(cause, f":\n{lines}" if lines else ".")
    of = len(trials)
    return [f"{n} of {of} recordings are stale: {cause.rstrip('.')}{first[cause]}" for cause, n in causes.most_common()]


# --- what is pinned ---------------------------------------------------------------------------------------------------


class _Noting(Classifier):
    """A classifier that keeps what it said."""

    def __init__(self, wrapped: Classifier) -> None:
        self.version, self._wrapped = wrapped.version, wrapped
        self.said: Mapping[str, Mapping[str, float]] = {}
        self.sentence = 0

    def predict(self, sense: Sense) -> dict[str, dict[str, float]]:
        """Of the wrapped one."""
        said = self._wrapped.predict(sense)
        self.said = said
        return said

    def issue_sentence(self, sense: Sense, issue_type: str) -> int:
        """Of the wrapped one."""
        self.sentence = self._wrapped.issue_sentence(sense, issue_type)
        return self.sentence

    def familiar(self, sense: Sense) -> bool:
        """Of the wrapped one."""
        return self._wrapped.familiar(sense)


class _NotingSearch:
    """A search that keeps what it found first."""

    def __init__(self, wrapped: Search) -> None:
        self._wrapped = wrapped
        self.found: Found | None = None

    def search(self, query: Query) -> Found:
        """Of the wrapped one."""
        found = self._wrapped.search(query)
        self.found = self.found or found
        return found


def pins(case: Case, deps: pipeline.Deps) -> Pins:
    """What the learned parts of this desk say of a case."""
    classifier, search = _Noting(deps.classifier), _NotingSearch(deps.search)
    noting = replace(deps, classifier=classifier, search=search, model=EmbeddedModel(deps.prompts))
    asyncio.run(pipeline.propose(case.escalation, noting, now=case.now))
    found = search.found or Found()
    return Pins(
        issue_type=_kept(classifier.said["issue_type"]),
        severity=_kept(classifier.said["severity"]),
        human_lead=round(classifier.said["human_lead"].get("yes", 0.0), 4),
        issue_sentence=classifier.sentence,
        precedents=[_card(hit) for hit in found.hits],
        note=found.note or "",
    )


def _kept(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {name: round(p, 4) for name, p in probabilities.items() if p >= _LEAST}


def _card(hit: Hit) -> Card:
    p = hit.precedent
    return Card(
        id=p.id, issue_type=p.issue_type, language=p.language, summary=p.summary, remedy_kind=p.remedy_kind,
        remedy=p.remedy, score=round(hit.score, 4),
    )  # fmt: skip
