"""Makes recordings: written answers are played anew after a change, and a provider is asked for real ones.

`python -m evals.cassette check|remake|write`; `desk eval record` asks a provider.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import httpx

from agent import pipeline
from agent.case import Proposal
from agent.errors import AgentError
from agent.llm import Limits
from agent.llm_request import Endpoint, load_litellm
from evals.cassette import FOLDER, CassetteError, CassetteMiss, Exchange, Library, Pins, Recording
from evals.cassette_play import Mode, Player, Upstream, provider, sockets_shut
from evals.cassette_script import Script, again, read_scripts
from evals.dataset import Case, Dataset, load
from evals.engine import load_deps
from evals.errors import EvalsError
from evals.replay import Files, load_files, pins, seated

Json: TypeAlias = dict[str, Any]
Progress: TypeAlias = Callable[[int, int], None]

_CASE_FILE: Final = re.compile(r"<case_file>\n(.*?)\n</case_file>", re.DOTALL)
_CHARS_A_TOKEN: Final = 4
_USUAL_ANSWER: Final = 700
"""Output tokens of a usual answer: three tool calls and a draft of about 120 words, with reasons and citations."""
_USUAL_ROUNDS: Final = 1.3
"""Answers to a usual case, look-ups and corrections included; the written recordings have 1.3."""


def play(case: Case, player: Player, files: Files, desk_pins: Pins, endpoint: Endpoint | None = None) -> Proposal:
    """The desk's proposal with the player in the model's place."""
    with ExitStack() as stack:
        if endpoint is None:
            stack.enter_context(sockets_shut())
        seat = stack.enter_context(seated(files.desk(desk_pins), player, endpoint))
        return asyncio.run(pipeline.propose(case.escalation, seat.deps, now=case.now))


def remade(library: Library, case: Case, files: Files) -> Recording:
    """The recording with the requests of today; its answers stay as written.

    Raises:
        CassetteError: its answers came from a provider and belong to other requests, or are more than is asked for.
        CassetteMiss: it has too few answers.

    """
    old = library.recordings[case.name]
    mode: Mode = "rewrite" if old.made == "scripted" else "replay"
    trials: list[list[Exchange]] = []
    texts: dict[str, list[str]] = {}
    for number in range(len(old.trials)):
        player = Player(library, old, number, files.prompts, mode)
        play(case, player, files, old.pins)
        trials.append(player.played)
        texts |= player.texts
    new = old.model_copy(update={"trials": trials})
    library.save(new, texts)
    return new


class _Seen(BaseException):
    """Ends a run at its first request."""


def first_request(case: Case, model: str, files: Files, desk_pins: Pins) -> httpx.Request:
    """What the desk asks a model first about this case; nothing is sent."""
    seen: list[httpx.Request] = []

    async def upstream(request: httpx.Request) -> tuple[int, Any]:
        seen.append(request)
        raise _Seen

    blank = Recording(case=case.name, made="recorded", model=model, pins=desk_pins, trials=[[Exchange(reply="")]])
    player = Player(Library(Path()), blank, 0, files.prompts, "ask", upstream=upstream)
    try:
        play(case, player, files, desk_pins)
    except _Seen:
        return seen[0]
    raise CassetteError(f"{case.name}: the desk asks no model about it; there is nothing to record.")


def write(script: Script, case: Case, library: Library, files: Files, desk_pins: Pins) -> Recording:
    """A recording of written answers, played once."""
    request = first_request(case, script.model, files, desk_pins)
    body = json.loads(request.content)
    first = json.dumps(body["messages"], ensure_ascii=False)
    texts = [m["content"] for m in body["messages"] if m["role"] == "user"]
    words = texts[0] if isinstance(texts[0], str) else texts[0][0]["text"]
    found = _CASE_FILE.search(words)
    if found is None:
        raise CassetteError(f"{case.name}: its prompt holds no case file; restore prompts/draft/case.md.")
    empty = Recording(
        case=case.name, made="scripted", model=script.model, pins=desk_pins, trials=[[Exchange(reply="")]]
    )
    library.recordings[case.name] = again(script, empty, json.loads(found[1]), len(first))
    return remade(library, case, files)


# --- from a provider ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """What recording will take."""

    trials: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    """None when litellm does not know the model's price."""
    most_usd: float
    """What the desk's own limits for one case allow at most."""

    def __str__(self) -> str:
        """One sentence for people."""
        price = "at a price that is not known" if self.usd is None else f"about {self.usd:.2f} US dollars"
        return (
            f"{self.trials} {'answer' if self.trials == 1 else 'answers'} to record: about {self.input_tokens:,} input and "
            f"{self.output_tokens:,} output tokens, {price}, at most {self.most_usd:.2f}."
        )


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be recorded, and from whom."""

    model: str
    folder: Path
    which: Literal["missing", "all"] = "missing"
    trials: int = 1
    endpoint: Endpoint = Endpoint()  # noqa: RUF009 - frozen
    upstream: Upstream = provider


class Recorder:
    """Asks a provider about cases and keeps what it answers."""

    def __init__(self, order: Order, dataset: Dataset, files: Files, deps: Callable[[], pipeline.Deps]) -> None:
        self.order, self._files, self._deps = order, files, deps
        self.library = Library.load(order.folder, dataset.cases)
        for name, recording in self.library.recordings.items():
            if recording.made == "scripted":
                raise CassetteError(
                    f"{self.library.path(name)}: its answers were written by hand and are not replaced; record into "
                    "another folder."
                )
        self._pins: dict[str, Pins] = {}

    def todo(self, cases: Iterable[Case]) -> list[tuple[Case, int]]:
        """The trials that are to be asked for: all of them, or those without a recording that fits."""
        every = [(case, n) for case in cases for n in range(self.order.trials)]
        return every if self.order.which == "all" else [one for one in every if not self._fits(*one)]

    def _fits(self, case: Case, trial: int) -> bool:
        recording = self.library.recordings.get(case.name)
        if recording is None or trial >= len(recording.trials) or recording.model != self.order.model:
            return False
        try:
            play(case, Player(self.library, recording, trial, self._files.prompts), self._files, recording.pins)
        except (CassetteMiss, CassetteError):
            return False
        return True

    def estimate(self, todo: Sequence[tuple[Case, int]]) -> Estimate:
        """What that will take, from the requests themselves at four characters to a token; nothing is sent."""
        name = self.order.model
        chars = {
            case.name: len(first_request(case, name, self._files, self.pins(case)).content)
            for case in {case.name: case for case, _ in todo}.values()
        }
        into = round(_USUAL_ROUNDS * sum(chars[case.name] for case, _ in todo) / _CHARS_A_TOKEN)
        out = round(_USUAL_ROUNDS * _USUAL_ANSWER * len(todo))
        prices: Mapping[str, Json] = load_litellm().model_cost
        price = prices.get(name) or prices.get(name.partition("/")[2]) or {}
        each = price.get("input_cost_per_token"), price.get("output_cost_per_token")
        usd = None if None in each else into * float(each[0] or 0) + out * float(each[1] or 0)
        return Estimate(len(todo), into, out, usd, len(todo) * float(Limits().cost_usd))

    def pins(self, case: Case) -> Pins:
        """What the learned parts say of a case today, asked once."""
        if case.name not in self._pins:
            self._pins[case.name] = pins(case, self._deps())
        return self._pins[case.name]

    def run(self, todo: Sequence[tuple[Case, int]], progress: Progress = lambda done, of: None) -> None:
        """Ask, trial by trial; each recording is kept as soon as it is whole.

        Raises:
            CassetteError: the provider refuses, or something secret stands in an answer; what was recorded before is
                kept.

        """
        for done, (case, trial) in enumerate(todo):
            progress(done, len(todo))
            try:
                self._one(case, trial)
            except CassetteMiss as miss:
                raise CassetteError(str(miss)) from None
        progress(len(todo), len(todo))

    def _one(self, case: Case, trial: int) -> None:
        old = self.library.recordings.get(case.name)
        fresh = old is None or trial == 0
        desk_pins = self.pins(case) if old is None or fresh else old.pins
        blank = Recording(
            case=case.name, made="recorded", model=self.order.model, pins=desk_pins, trials=[[Exchange(reply="")]]
        )
        player = Player(self.library, blank, 0, self._files.prompts, "ask", upstream=self.order.upstream)
        proposal = play(case, player, self._files, desk_pins, self.order.endpoint)
        if not player.played:
            raise CassetteMiss(
                case.name,
                f"the provider gave no answer ({proposal.degraded_reason.rstrip('.')}); nothing was recorded.",
            )
        kept = [] if fresh or old is None else old.trials[:trial]
        self.library.save(blank.model_copy(update={"trials": [*kept, player.played]}), player.texts)


# --- command line -----------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evals.cassette", description="Check recordings, play them anew, or write answers by hand."
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the recordings")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="say of each recording whether it still fits; 2 when one does not")
    check.add_argument("cases", nargs="*", help="names of cases; none for all")
    remake = verbs.add_parser("remake", help="keep what is asked today: written answers stay as they are")
    remake.add_argument("cases", nargs="*", help="names of cases; none for all")
    new = verbs.add_parser("write", help="make recordings of answers that stand in a YAML file")
    new.add_argument("file", type=Path, help="a list of `scripts`; see evals/cassettes/README.md")
    new.add_argument("--pin", action="store_true", help="ask the learned parts anew also where a recording pins them")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 when all went well, 2 with one sentence when not."""
    given = _parser().parse_args(argv)
    try:
        files = load_files()
        dataset = load(files.pack, date.max)
        library = Library.load(given.folder, dataset.cases, mending=given.verb != "check")
        if given.verb == "write":
            _write(read_scripts(given.file), dataset, library, files, anew=given.pin)
            return 0
        if unknown := sorted(set(given.cases) - set(library.recordings)):
            raise CassetteError(f"{library.folder}: there is no recording of {unknown[0]!r}; write one first.")
        misses = 0
        for name in given.cases or sorted(library.recordings):
            misses += _one(given.verb, library, dataset.cases[name], files)
    except (EvalsError, AgentError, CassetteMiss) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 2 if misses else 0


def _one(verb: str, library: Library, case: Case, files: Files) -> int:
    """Checks or remakes one; 1 when it does not fit."""
    recording = library.recordings[case.name]
    try:
        if verb == "remake":
            recording = remade(library, case, files)
        else:
            for number in range(len(recording.trials)):
                play(case, Player(library, recording, number, files.prompts), files, recording.pins)
    except (CassetteMiss, CassetteError) as miss:
        sys.stderr.write(f"{miss}\n")
        return 1
    count = sum(map(len, recording.trials))
    answers = "answer" if count == 1 else "answers"
    sys.stdout.write(f"{case.name}: {recording.made}, {recording.model}, {count} {answers}, fits\n")
    return 0


def _write(scripts: Sequence[Script], dataset: Dataset, library: Library, files: Files, *, anew: bool) -> None:
    deps: pipeline.Deps | None = None
    for script in scripts:
        if script.case not in dataset.cases:
            raise CassetteError(f"{script.case}: the suite has no such case; name one of evals/cases.")
        case, old = dataset.cases[script.case], library.recordings.get(script.case)
        if old is None or anew:
            deps = deps or load_deps()
            kept = pins(case, deps)
        else:
            kept = old.pins
        made = write(script, case, library, files, kept)
        sys.stdout.write(f"{library.path(case.name)}: {sum(map(len, made.trials))} written\n")
