"""Runs as files: read with a sentence about what is wrong, written whole or not at all, blessed as a reference run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from evals.errors import IncomparableError, RunError
from evals.outcome import VERSION, Run, Trial

REFERENCES: Final = Path(__file__).parent / "references"
"""One blessed run for each tier: `<tier>.json`."""

_TIMES: Final = ".times.json"
_Form = TypeVar("_Form", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where runs are kept: `<home>/evals`."""

    folder: Path

    @property
    def runs(self) -> Path:
        """Folder of finished runs, `<id>.json` each, with `<id>.times.json` beside it."""
        return self.folder / "runs"

    def path(self, id_: str) -> Path:
        """The file of a run."""
        return self.runs / f"{id_}.json"

    def load(self, name: str) -> Run:
        """A run by its id, the beginning of it, or the path of its file; `latest` is the one written last.

        Raises:
            RunError: there is none, several begin so, or the file is no run of this version.

        """
        if name == "latest":
            pointer = self.folder / "latest"
            if not pointer.is_file():
                raise RunError(f"{self.folder}: there is no run yet; make one with `desk eval run`.")
            name = pointer.read_text(encoding="utf-8").strip()
        given = Path(name)
        found = [given] if given.suffix == ".json" else sorted(self.runs.glob(f"{_plain(name)}*.json"))
        found = [path for path in found if path.is_file() and not path.name.endswith(_TIMES)]
        found = [path for path in found if path.stem == name] or found
        if len(found) != 1:
            many = (
                f"{len(found)} runs begin with {name!r}; give more of the id" if found else f"There is no run {name!r}"
            )
            raise RunError(f"{many}; `ls {self.runs}` shows them.")
        return read_run(found[0])

    def save(self, run: Run, times: Mapping[tuple[str, int], float]) -> Path:
        """Writes the run and beside it how long its answers took."""
        self.runs.mkdir(parents=True, exist_ok=True)
        path = self.path(run.id)
        write_whole(path, dumped(run))
        took = [{"case": c, "trial": t, "ms": round(ms, 2)} for (c, t), ms in sorted(times.items())]
        write_whole(path.with_suffix(_TIMES), json.dumps(took, indent=1) + "\n")
        write_whole(self.folder / "latest", run.id + "\n")
        return path

    def times(self, run: Run) -> dict[tuple[str, int], float]:
        """How long each answer took, in milliseconds; empty where that is not kept."""
        try:
            rows = json.loads(self.path(run.id).with_suffix(_TIMES).read_text(encoding="utf-8"))
            return {(str(row["case"]), int(row["trial"])): float(row["ms"]) for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _plain(name: str) -> str:
    """A name without the signs that a search for files would read."""
    return "".join(c for c in name if c.isalnum() or c in "-_")


class Reference(BaseModel):
    """A reference run: what later runs of its tier are compared with, and who said so, why and when."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    v: Literal[1] = 1
    author: str = Field(min_length=1)
    """Who blessed it."""
    reason: str = Field(min_length=1)
    """Why these results are the ones to hold."""
    blessed_at: AwareDatetime
    run: Run


def read_run(path: Path) -> Run:
    """The run that a file holds; a reference file gives its run.

    Raises:
        RunError: the file is missing, cut off, of another schema version, empty, or holds a trial twice.

    """
    found = _load(path)
    form = Reference if "blessed_at" in found else Run
    shaped = _shaped(path, found, form)
    return _checked(path, shaped.run if isinstance(shaped, Reference) else shaped)


def read_reference(path: Path) -> Reference:
    """The blessed run of a file.

    Raises:
        RunError: as `read_run`, or nobody blessed it.

    """
    found = _load(path)
    if "blessed_at" not in found:
        raise RunError(f"{path}: nobody blessed this run; `desk eval bless RUN --reason ...` makes a reference of one.")
    reference = _shaped(path, found, Reference)
    _checked(path, reference.run)
    return reference


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such run; `desk eval run` makes one.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: the run cannot be read ({error}).") from None
    if not text.strip():
        raise RunError(f"{path}: the file is empty; make the run anew with `desk eval run`.")
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise RunError(
            f"{path}: this is no whole JSON ({error}); the file was cut off or edited, make the run anew."
        ) from None
    if not isinstance(found, dict):
        raise RunError(f"{path}: this is no run but {type(found).__name__}; name a file that `desk eval run` wrote.")
    return cast("dict[str, Any]", found)


def _shaped(path: Path, found: dict[str, Any], form: type[_Form]) -> _Form:
    inner: Any = found.get("run")
    for part in (found, cast("dict[str, Any]", inner) if isinstance(inner, dict) else found):
        if (version := part.get("v", VERSION)) != VERSION:
            raise RunError(
                f"{path}: the run has schema version {version!r} and this desk reads {VERSION}; make the run anew."
            )
    try:
        return form.model_validate_json(json.dumps(found))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise RunError(f"{path}: this is no run, {where}: {first['msg']}.") from None


def _checked(path: Path, run: Run) -> Run:
    if not run.trials:
        raise RunError(f"{path}: the run holds no trial; make it anew with at least one case.")
    counts = Counter((t.case, t.trial) for t in run.trials)
    case, trial = max(counts, key=lambda key: counts[key])
    if counts[case, trial] > 1:
        raise RunError(f"{path}: trial {trial} of {case} is there {counts[case, trial]} times; keep one.")
    return run


def write_reference(reference: Reference, path: Path) -> None:
    """Keep a reference run: its head first, then a line for each trial, so that a change of one shows as one line."""
    head = reference.model_dump(mode="json", exclude={"run"})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        path, json.dumps(head, ensure_ascii=False)[:-1] + ', "run": ' + dumped(reference.run).rstrip("\n") + "}\n"
    )


def dumped(run: Run) -> str:
    """The run as its file has it, a line for each trial; equal runs give equal bytes."""
    head = run.model_dump(mode="json", exclude={"trials"})
    trials = ",\n".join(
        json.dumps(trial.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        for trial in sorted(run.trials, key=lambda t: (t.case, t.trial))
    )
    return f'{json.dumps(head, ensure_ascii=False, sort_keys=True)[:-1]}, "trials": [\n{trials}\n]}}\n'


def write_whole(path: Path, text: str) -> None:
    """Write a file wholly or not at all."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def bless(run: Run, author: str, reason: str, now: datetime) -> Reference:
    """The run as a reference.

    Raises:
        RunError: nobody or no reason is named, or a trial has no answer of its own: errors and stale answers are
            nothing to hold others to.

    """
    if not author.strip() or not reason.strip():
        raise RunError("A reference run names who blessed it and why; give an author and --reason.")
    unfit = [t for t in run.trials if t.error or t.stale or t.answer is None]
    if unfit:
        t = unfit[0]
        why = f"failed ({t.error})" if t.error else f"is stale ({t.stale})" if t.stale else "has no answer"
        raise RunError(
            f"{len(unfit)} of {len(run.trials)} trials are no result, e.g. {t.case} {why}; mend and run anew before blessing."
        )
    return Reference(author=author.strip(), reason=reason.strip(), blessed_at=now, run=run)


def comparable(reference: Run, run: Run) -> None:
    """Whether two runs answered the same cases and were scored alike.

    Raises:
        IncomparableError: with what differs.

    """
    for what, a, b in (("datasets", reference.dataset, run.dataset), ("scorers", reference.scorers, run.scorers)):
        if a != b:
            raise IncomparableError(
                f"Run {run.id} and {reference.id} do not compare: their {what} differ ({b[:12]} and {a[:12]}); "
                f"score both anew with `desk eval rescore`, then compare."
            )


def by_key(run: Run) -> dict[tuple[str, int], Trial]:
    """Each trial by case and number."""
    return {(t.case, t.trial): t for t in run.trials}
