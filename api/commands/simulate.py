"""Try commitments out on past escalations before they hold: which clocks would have been met, late or broken.

POLICY is a file in the form of prompts/pack/sla.yaml. Nothing is stored and nobody is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from agent.pack import Pack
    from api.settings import Settings
    from api.simulate import Change, Line, Log, Outcome

HELP = "try commitments out on past escalations"

MOST = 20
"""Changed cases that are listed one by one."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to try, and on what."""
    parser.add_argument("policy", type=Path, metavar="POLICY", help="commitments in the form of prompts/pack/sla.yaml")
    parser.add_argument(
        "--history", type=Path, nargs="+", metavar="FILE",
        help="JSONL or CSV as `desk import` reads it; without it the history of DESK_STORE",
    )  # fmt: skip
    parser.add_argument("--map", type=Path, metavar="YAML", help="which of their columns is which of our fields")
    parser.add_argument(
        "--compare-current", action="store_true", help="tell what ends otherwise than under the policy in force"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Derive every clock of every past case under the policy."""
    from agent.pack import load_pack, load_sla
    from api.commands.common import as_json, progress, settings
    from api.errors import UsageError
    from api.simulate import changes, judge, table
    from api.texts import SAMPLE

    found = settings()
    if not args.policy.is_file():
        raise UsageError(f"There is no file {args.policy}; name one in the form of prompts/pack/sla.yaml.")
    pack = load_pack(found.prompts, found.store or SAMPLE)
    sla = load_sla(args.policy, pack)
    with progress("Reading") as advance:
        logs = _logs(args.history or _own(found), args.map, pack, advance)
    current = pack.sla if args.compare_current else None
    judged: list[tuple[Outcome, ...]] = []
    before: list[tuple[Outcome, ...]] = []
    with progress("Deriving clocks") as advance:
        for number, log in enumerate(logs, start=1):
            judged.append(judge(log, sla))
            if current is not None:
                before.append(judge(log, current))
            advance(number, len(logs))
    lines = table(judged, pack.severity_order)
    changed = [c for log, old, new in zip(logs, before, judged, strict=False) for c in changes(log.name, old, new)]
    was = table(before, pack.severity_order) if args.compare_current else None
    if args.json:
        as_json(_report(args.policy, logs, lines, was, changed))
        return 0
    print(f"{args.policy}, past escalations: {len(logs)}\n")
    _print_table([_HEAD, *(_cells(line) for line in lines)])
    print()
    for sentence in _notes(logs):
        print(sentence)
    if was is not None:
        _print_changes(changed)
    return 0


def _own(found: Settings) -> list[Path]:
    """The history of the store's own folder."""
    from api.errors import UsageError
    from api.sample import HISTORY

    files = sorted((found.store / HISTORY).glob("*.jsonl")) if found.store else []
    if not files:
        raise UsageError("The store has no history of its own; name one with --history FILE.")
    return files


def _logs(
    files: Iterable[Path], mapping: Path | None, pack: Pack, advance: Callable[[int, int], None]
) -> list[Log]:  # fmt: skip
    from api.commands.common import tell_wrong_rows
    from api.past import HistoryError, content, each, rows_of
    from api.simulate import log_of

    logs: list[Log] = []
    for path in files:
        rows = list(rows_of(path, content(path), mapping))
        try:
            pasts = each(rows, pack, lambda past: past, advance, f"{path} was not simulated")
        except HistoryError as error:
            tell_wrong_rows(error)
            raise
        named = zip(pasts, rows, strict=True)
        logs += [log_of(past, past.id or f"{path.name} line {line}") for past, (line, _) in named]
    return logs


def _notes(logs: Sequence[Log]) -> list[str]:
    """What the history does not tell, each with its number."""
    counts = _not_told(logs)
    texts = {
        "no_first_reply": "Past escalations without an instant of the first reply, so that nobody knows if it was in time",
        "no_replies": "Past escalations whose texts of the staff are missing or undated, so that later replies and updates are unknown",
        "undated_messages": "Messages without an instant, left out",
        "messages_after_resolution": "Messages from after the resolution, left out",
    }
    told = [f"{text}: {counts[name]}." for name, text in texts.items() if counts[name]]
    return [
        *told,
        "Replies and updates are those that the texts of a history show. It holds no waiting times: what a case waited for",
        "others counts as used. Each case has its final severity from the start.",
        "Promises, dates from outside and acknowledgements of teams stand in no history, so none of them is simulated.",
    ]


def _not_told(logs: Sequence[Log]) -> dict[str, int]:
    return {
        "no_first_reply": sum(not log.first_reply for log in logs),
        "no_replies": sum(not log.replies for log in logs),
        "undated_messages": sum(log.undated for log in logs),
        "messages_after_resolution": sum(log.after for log in logs),
    }


# --- for programs ----------------------------------------------------------------------------------------------------


def _report(
    policy: Path, logs: Sequence[Log], lines: Sequence[Line], was: Sequence[Line] | None, changed: Sequence[Change]
) -> dict[str, object]:
    report: dict[str, object] = {
        "policy": str(policy), "cases": len(logs), "rows": [_line_json(line) for line in lines],
        "not_told": _not_told(logs),
    }  # fmt: skip
    if was is not None:
        ends = [{"metric": m, "before": old, "after": new, "clocks": n} for (m, old, new), n in _ends(changed).items()]
        items = [
            {"case": case, "clocks": [{"clock": c.clock, "before": c.before, "after": c.after} for c in some]}
            for case, some in list(_by_case(changed).items())[:MOST]
        ]
        report["current"] = {"rows": [_line_json(line) for line in was]}
        report["changes"] = {"cases": len(_by_case(changed)), "ends": ends, "items": items}
    return report


def _line_json(line: Line) -> dict[str, object]:
    from dataclasses import asdict

    used = {
        f"{name}_used_s": at and round(at.total_seconds()) for name, at in (("median", line.median), ("p90", line.high))
    }
    shares = (("median_share", line.median_share), ("p90_share", line.high_share))
    rest = {k: v for k, v in asdict(line).items() if not k.startswith(("median", "high"))}
    return {**rest, **used, **{name: None if share is None else round(share, 3) for name, share in shares}}


def _by_case(changed: Iterable[Change]) -> Mapping[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changed:
        found.setdefault(change.case, []).append(change)
    return found


def _ends(changed: Iterable[Change]) -> Mapping[tuple[str, str | None, str | None], int]:
    from collections import Counter

    return dict(Counter((c.metric, c.before, c.after) for c in changed).most_common())


# --- for people ------------------------------------------------------------------------------------------------------

_HEAD = (
    "metric", "severity", "cases", "clocks", "met", "late", "breached", "resolved first", "unknown",
    "half used", "90 % used", "told at risk", "told overdue",
)  # fmt: skip


def _cells(line: Line) -> tuple[str, ...]:
    numbers = (
        line.cases, line.clocks, line.met, line.met_late, line.breached, line.cancelled, line.unknown,
    )  # fmt: skip
    used = (_used(line.median, line.median_share), _used(line.high, line.high_share))
    return (
        line.metric.replace("_", " "),
        line.severity,
        *map(str, numbers),
        *used,
        str(line.at_risk),
        str(line.overdue),
    )


def _used(time: timedelta | None, share: float | None) -> str:
    """Open time with its part of the target, e.g. "1.6 h (40 %)"."""
    if time is None:
        return "-"
    minutes = time.total_seconds() / 60
    size = f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
    return size if share is None else f"{size} ({share:.0%})"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(w) if n < 2 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True)))
        print("  ".join(cells).rstrip())


def _print_changes(changed: Sequence[Change]) -> None:
    cases = _by_case(changed)
    print()
    if not cases:
        print("Nothing ends otherwise than under the policy in force.")
        return
    print(f"Past escalations that end otherwise than under the policy in force: {len(cases)}.")
    for (metric, old, new), number in _ends(changed).items():
        print(f"  {number} x {metric.replace('_', ' ')}: {_word(old)} -> {_word(new)}")
    for case, some in list(cases.items())[:MOST]:
        print(f"{case}: " + "; ".join(f"{c.clock} {_word(c.before)} -> {_word(c.after)}" for c in some))
    if len(cases) > MOST:
        print(f"... and {len(cases) - MOST} more")


def _word(verdict: str | None) -> str:
    return {None: "no clock", "met_late": "late", "cancelled": "resolved first"}.get(verdict, verdict or "")
