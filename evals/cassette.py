"""Recordings: what a model answered to one case, kept in a file, so that the case runs again without network, key or cost.

A recording is found by its case, and each of its answers belongs to one request. Of a request five fingerprints are kept
(settings, tools, prompt, context, data) with the lines behind them, so that a change is told by its cause.
`python -m evals.cassette --help` checks and remakes them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.errors import EvalsError

FOLDER: Final = Path(__file__).parent / "cassettes"
"""The recordings that come with the desk; their answers were written by hand."""
SHARED: Final = "shared.json"
"""Texts that many recordings have in common, by fingerprint."""
VERSION: Final = 2
_KEYS: Final = re.compile(
    r"\b(?:sk|rk|gsk|xai|hf|ghp)[-_][-\w]{16,}|\bAIza[-\w]{20,}|\bxox[abp]-[-\w]{10,}|\bbearer\s+[-.\w]{8,}"
    r"|\b(?:authorization|x-api-key)[\"'\s]*[:=]",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(r"[\w.+-]+@((?:[\w-]+\.)+[a-z]{2,})\b", re.IGNORECASE)
_INVENTED: Final = re.compile(r"(?:.*\.)?(?:example|test|invalid|example\.(?:com|org|net))", re.IGNORECASE)
"""Mail domains that belong to nobody."""

Json: TypeAlias = dict[str, Any]
Section: TypeAlias = Literal["params", "tools", "prompt", "context", "data"]


class CassetteMiss(BaseException):
    """No recorded answer belongs to this request; says why.

    Not an `Exception`: the provider's client would take that for a broken connection and retry it.
    """

    def __init__(self, case: str, cause: str, detail: str = "") -> None:
        super().__init__(f"{case}: {cause}{detail}")
        self.case, self.cause, self.detail = case, cause, detail


class CassetteError(EvalsError):
    """A recording cannot be used, or was not played to its end."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Asked(_Stored):
    """One request, without what is volatile or secret: no header is ever kept."""

    prints: dict[Section, str]
    """Fingerprint of each section."""
    parts: dict[str, str]
    """Fingerprint of the text of each prompt file that shaped the prompt, by its id."""
    params: list[str]
    """Model and settings, line by line."""
    context: list[str]
    """What the desk looked up: order, dispute, policy, precedents, clock, and what tools answered so far."""
    data: list[str]
    """What the case says: its messages and what was read out of them."""


class Exchange(_Stored):
    """One request and its answer."""

    asked: Asked | None = None
    """None until a written answer was played for the first time."""
    status: int = Field(default=200, ge=200, le=599)
    """HTTP status of the answer."""
    reply: Any
    """Body of the answer in the provider's form, tool arguments unpacked; a text when it was no JSON."""


class Card(_Stored):
    """One precedent as it was found."""

    id: str
    issue_type: str
    language: str
    summary: str
    remedy_kind: str = ""
    remedy: str = ""
    score: float


class Pins(_Stored):
    """What the learned parts said of the case when it was recorded.

    A replay takes it from here, so a classifier that is taught anew makes no recording stale.
    """

    issue_type: dict[str, float]
    """Probability by issue type, the small ones left out."""
    severity: dict[str, float]
    human_lead: float
    """Probability that a person leads."""
    issue_sentence: int = 0
    """Which sentence the case is about, 0 for the whole message."""
    precedents: list[Card] = []
    note: str = ""
    """Why there are no precedents."""


class Expect(_Stored):
    """What must come of a written answer."""

    state: Literal["ready", "blocked", "needs_human"] = "ready"
    engine: Literal["model", "embedded"] = "model"
    """`embedded` when the answer must be passed over."""
    findings: list[str] = []
    """Hard rules of the guard that must find something."""
    failed: list[str] = []
    """Hard scorers that must give less than 1, or soft ones that must lose something."""


class Recording(_Stored):
    """The answers of one model to one case."""

    v: Literal[2] = VERSION
    """Version of this form."""
    case: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """Name of the case, also the file's name."""
    made: Literal["scripted", "recorded"]
    """Whether a person wrote the answers or a provider gave them; only the latter say anything about a model."""
    model: str
    """The model asked, as litellm names it."""
    note: str = ""
    """What the answers show, and the mistake in them if there is one."""
    expect: Expect | None = None
    pins: Pins
    trials: Annotated[list[Annotated[list[Exchange], Field(min_length=1)]], Field(min_length=1)]
    """Exchanges in order of play, trial by trial: one trial is never given another one's answers."""


def fingerprint(lines: Iterable[str]) -> str:
    """Names a text by its content."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Library:
    """All recordings of a folder, and the texts that they share."""

    folder: Path
    recordings: dict[str, Recording] = field(default_factory=dict[str, Recording])
    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @classmethod
    def load(cls, folder: Path = FOLDER, cases: Iterable[str] | None = None, *, mending: bool = False) -> Self:
        """The recordings of this folder.

        Args:
            folder: one file a case, and `shared.json`.
            cases: names of all cases; None when orphans are no matter.
            mending: take shared texts as they are, since they are about to be made anew.

        Raises:
            CassetteError: a file is of another version, cut off or not of this form, two files hold the same case, a
                shared text is missing, or a recording belongs to no case; names file and field.

        """
        made = cls(folder)
        shared = folder / SHARED
        if shared.is_file():
            with suppress(CassetteError) if mending else nullcontext():
                made.texts = _texts(shared)
        for path in sorted(folder.glob("*.json")):
            if path.name != SHARED:
                one = read(path)
                if one.case != path.stem:
                    twin = f"{one.case}.json"
                    way = "remove one of the two" if (folder / twin).is_file() else f"name the file {twin}"
                    raise CassetteError(f"{path}: it holds the case {one.case!r}; {way}.")
                made.recordings[one.case] = one
        if cases is not None and (orphans := sorted(set(made.recordings) - set(cases))):
            raise CassetteError(
                f"{made.path(orphans[0])}: no case of the suite has this name"
                f"{f' ({len(orphans) - 1} more like it)' if orphans[1:] else ''}; remove the recording, or restore the case."
            )
        if not mending and (lost := sorted(set(made.used()) - set(made.texts))):
            raise CassetteError(f"{shared}: the text {lost[0]} is missing; run `python -m evals.cassette remake`.")
        return made

    def path(self, case: str) -> Path:
        """The file of a case."""
        return self.folder / f"{case}.json"

    def used(self) -> Iterator[str]:
        """Fingerprints of the shared texts that recordings name."""
        for one in self.recordings.values():
            for exchange in (exchange for trial in one.trials for exchange in trial):
                if exchange.asked:
                    yield from (exchange.asked.prints["prompt"], exchange.asked.prints["tools"])
                    yield from exchange.asked.parts.values()

    def save(self, recording: Recording, texts: Mapping[str, list[str]]) -> Path:
        """Write a recording and the shared texts, unless something secret stands in them.

        Raises:
            CassetteError: something looks like a key, or like the address of a real person.

        """
        path = self.path(recording.case)
        text = dumped(recording.model_dump(mode="json", exclude_defaults=True) | {"v": VERSION})
        _refuse_secrets(path, text)
        _refuse_secrets(self.folder / SHARED, "\n".join(line for lines in texts.values() for line in lines))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recordings[recording.case] = recording
        self.texts |= texts
        kept = set(self.used())
        self.texts = {name: lines for name, lines in sorted(self.texts.items()) if name in kept}
        _write(path, text)
        _write(self.folder / SHARED, dumped({"v": VERSION, "texts": self.texts}))
        return path

    @property
    def version(self) -> str:
        """Content hash of all recordings."""
        whole = [dumped(self.recordings[name].model_dump(mode="json")) for name in sorted(self.recordings)]
        return fingerprint(whole)


def dumped(value: Any) -> str:
    """JSON as these files have it: sorted, a line for each value."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _refuse_secrets(path: Path, text: str) -> None:
    if found := _KEYS.search(text):
        raise CassetteError(f"{path}: not written, since {found[0][:6]}... looks like a key; take it out of the case.")
    for mail in _MAIL.finditer(text):
        if not _INVENTED.fullmatch(mail[1]):
            raise CassetteError(
                f"{path}: not written, since an e-mail address at {mail[1]} may be a real person's; use a domain that "
                "ends in `.example`."
            )


def _held(path: Path) -> Json:
    """The JSON object of a file, with each key once."""

    def once(pairs: list[tuple[str, Any]]) -> Json:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            raise CassetteError(
                f"{path}: {next(n for n in names if names.count(n) > 1)!r} is there twice; remove one of the two."
            )
        return made

    try:
        held = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    except FileNotFoundError:
        raise CassetteError(f"{path}: there is no such recording; `desk eval record` makes it.") from None
    except ValueError as e:
        raise CassetteError(f"{path}: not a whole recording ({e}); restore the file or record it anew.") from None
    version = cast("Json", held).get("v") if isinstance(held, dict) else None
    if version != VERSION:
        raise CassetteError(f"{path}: of version {version!r}, this desk reads version {VERSION}; record it anew.")
    return cast("Json", held)


def read(path: Path) -> Recording:
    """The recording of this file.

    Raises:
        CassetteError: it is missing, cut off, of another version, or not of this form; names file and field.

    """
    held = _held(path)
    try:
        return Recording.model_validate(held)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(step) for step in first["loc"]) or "file"
        raise CassetteError(f"{path}: {at}: {first['msg']}; mend it or record it anew.") from None


class _Shared(_Stored):
    """The form of `shared.json`."""

    v: Literal[2]
    texts: dict[str, list[str]]


def _texts(path: Path) -> dict[str, list[str]]:
    try:
        texts = _Shared.model_validate(_held(path)).texts
    except ValidationError:
        raise CassetteError(
            f"{path}: not a list of lines for each text; run `python -m evals.cassette remake`."
        ) from None
    for name, lines in texts.items():
        if fingerprint(lines) != name:
            raise CassetteError(f"{path}: the text {name} was edited by hand; run `python -m evals.cassette remake`.")
    return texts


if __name__ == "__main__":
    from evals.record import main

    raise SystemExit(main())
