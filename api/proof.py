"""Verbs of proof: take the past in, and freeze a baseline of it. A baseline is never changed; a better one gets a new version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert

from agent.yamlfile import read_yaml
from api.auth import Principal
from api.errors import ConflictError, NotFoundError, UsageError
from api.ids import new_id
from api.ownrecords import first_work
from api.store import audit, clocks, proof
from api.store.tables import imports
from api.wiring import Runtime
from evals.baseline import Baseline, Exclusion, freeze, thaw
from evals.past import PastCase, PastMapping, Reader, Report
from evals.rows import of_file

Progress = Callable[[int, int], None]
EVERY: Final = 1000
"""Rows between two words about progress."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import of the past did."""

    report: Report
    added: int
    changed: int
    """Cases that were here already and of which this export says something else."""


def take_past(
    desk: Runtime, who: Principal, path: Path, mapping: Path | None = None, progress: Progress | None = None
) -> Taken:
    """Reads an export of past escalations: what can be used is kept without texts and names, the rest is reported by row.

    Raises:
        UsageError: the file cannot be read, or no row of it can be used.
        BrokenFile: the mapping cannot be used.

    """
    who.need("admin")
    pack, ours = desk.texts.pack, read_yaml(mapping, PastMapping) if mapping else None
    known = {
        "issue_type": frozenset(pack.issue_types),
        "severity": frozenset(pack.severities),
        "team": frozenset(pack.teams),
    }
    reader = Reader(known, lambda word: desk.store.keyed("past", word), pack.store.time_zone, ours)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        reader.look(of_file(path))
        whole = sum(1 for _ in of_file(path))
        cases = list(_taken(reader, path, whole, progress))  # before the transaction, which others wait for
        with desk.store.write("import_past") as conn:
            now = desk.clock.now()
            import_id = new_id("imp", now)
            added, changed = proof.put(conn, cases, import_id)
            if added or changed:
                row = {
                    "id": import_id,
                    "file_hash": digest.hexdigest(),
                    "actor": who.id,
                    "rows": reader.report.rows,
                    "added": added,
                }
                conn.execute(insert(imports).values(**row, created_at=now))
                audit.append(
                    conn, "past_imported", actor=who.id, at=now, data={"import": import_id, "rows": added + changed}
                )
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    return Taken(reader.report, added, changed)


def _taken(reader: Reader, path: Path, whole: int, progress: Progress | None) -> Iterator[PastCase]:
    for number, (line, row) in enumerate(of_file(path), start=1):
        if (case := reader.take(line, row)) is not None:
            yield case
        if progress and number % EVERY == 0:
            progress(number, whole)


def freeze_baseline(
    desk: Runtime, who: Principal, begins: datetime, ends: datetime, exclusions: Sequence[Exclusion] = (),
    progress: Progress | None = None,
) -> Baseline:  # fmt: skip
    """Measures a window of the past and keeps what it says for good.

    Raises:
        ConflictError: the desk was in use in that window already.
        BaselineError: the window holds too few cases.

    """
    who.need("admin")
    if ends <= begins:
        raise UsageError("The window ends before it begins; give --from a day before --to.")
    sla = desk.texts.pack.sla
    with desk.store.read() as conn:
        _before_use(conn, ends)
        cases = list(proof.all_of(conn, begins, ends))
        newest = proof.newest(conn)
    version = newest["version"] + 1 if newest else 1
    frozen, content = freeze(version, cases, begins, ends, exclusions, sla, progress)
    with desk.store.write("freeze_baseline") as conn:
        now = desk.clock.now()
        clocks.keep(conn, sla, now)
        proof.keep(
            conn, version=version, begins_at=begins, ends_at=ends, cases=len(frozen.table), hash=frozen.hash,
            content=content, actor=who.id, created_at=now,
        )  # fmt: skip
        data = {"rows": len(frozen.table), "text_hash": frozen.hash, "policy": sla.version}
        audit.append(conn, "baseline_frozen", actor=who.id, at=now, data=data)
    return frozen


def baseline(conn: Connection, version: int | None = None) -> Baseline | None:
    """A frozen baseline, the newest when no version is named; None when there is none.

    Raises:
        NotFoundError: there is none of this version.
        BaselineError: it is not what was frozen.

    """
    row = proof.newest(conn) if version is None else proof.get(conn, version)
    if row is None and version is not None:
        raise NotFoundError("baseline of version", str(version))
    return thaw(row["content"], row["hash"]) if row is not None else None


def _before_use(conn: Connection, ends: datetime) -> None:
    began = first_work(conn)
    if began is not None and ends.date() > began:
        raise ConflictError(
            f"People have worked at this desk since {began:%Y-%m-%d}, so a window until {ends:%Y-%m-%d} would measure the desk "
            f"against itself; end it at {began:%Y-%m-%d} or earlier."
        )
