"""A run, a verdict or a comparison on a terminal; where nobody looks at colours, as plain lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from evals.compare import Comparison
from evals.plain import clean, figure, line, percent, points, span
from evals.report import Failure, Report
from evals.textdiff import Row
from evals.verdict import Change, Result

_STYLE = {"pass": "green", "improved": "green", "fail": "red", "invalid": "yellow", "insufficient data": "yellow"}
MOST = 40
"""Cases told whole; the HTML page has all."""


def show(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print them, a blank line between."""
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))
        console.print()


def _table(title: str, *columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(line(cell)) for cell in cells))  # a Text has no markup that a stranger's words could close


def result_parts(result: Result) -> list[RenderableType]:
    """The gate's verdict, then what it rests on."""
    head = Text.assemble((result.verdict.upper(), f"bold {_STYLE[result.verdict]}"), "  ", line(result.reason, 2000))
    left = "".join(f"; {n} left out: {why}" for why, n in result.left_out.items())
    about = f"run {result.run}, reference {result.reference}, {result.tier} tier, {result.cases} cases compared{left}"
    parts: list[RenderableType] = [Text("\n").join([head, Text(line(about), style="dim")])]
    for title, some in (
        ("Got worse", result.broken),
        ("Got better", result.mended),
        ("Soft scores that changed", result.soft),
    ):
        parts += _changes(title, some)
    if result.tests:
        names = ("score", "cases", "before", "now", "change", "95 %", "p of no fall", "could show")
        table = _table("Headline scores", *names, right=names[1:])
        for t in result.tests:
            change = None if t.before is None or t.now is None else t.now - t.before
            reach = f"{points(t.low)} to {points(t.high)}"
            cells = (t.score, str(t.cases), percent(t.before), percent(t.now), points(change), reach, f"{t.fell:.3f}")
            _row(table, *cells, percent(t.smallest))
        parts.append(table)
    if result.answers:
        parts.append(Text(line(f"Answers changed under equal scores: {', '.join(result.answers)}", 2000)))
    if result.needs_bless:
        parts.append(Text("The reference does not hold this yet: look at it, then `desk eval bless`."))
    return parts


def _changes(title: str, some: tuple[Change, ...]) -> list[RenderableType]:
    rows = [f"{c.case}: {c.score} {figure(c.before)} became {figure(c.now)}. {c.reason}" for c in some]
    return _list(title, rows)


def _list(title: str, rows: Sequence[str]) -> list[RenderableType]:
    """A line for each, which a narrow terminal breaks but no column cuts up."""
    if not rows:
        return []
    more = [f"... and {len(rows) - MOST} more; --html has all"] if len(rows) > MOST else []
    return [Text("\n").join([Text(title, style="bold"), *(Text(line(row)) for row in (*rows[:MOST], *more))])]


def report_parts(report: Report) -> list[RenderableType]:
    """The figures of a run, failures first."""
    cost = "" if report.costs.usd is None else f", {report.costs.usd:.4f} USD"
    times = (
        "" if report.costs.p50_ms is None else f", p50 {report.costs.p50_ms:.0f} ms, p95 {report.costs.p95_ms:.0f} ms"
    )
    head = (
        f"Run {report.id}, {report.tier} tier, engine {report.engine}: {report.cases} cases, {report.trials} trials, "
        f"{report.errors} without an answer, {report.stale} stale, {report.quarantined} in quarantine{cost}{times}"
    )
    held = f"; holdout, told apart, {span(report.holdout)}" if report.holdout else ""
    parts: list[RenderableType] = [Text(f"{line(head)}\npassed {span(report.passed)}{held}")]
    parts += _list("Failed", [_failure(f) for f in report.failures])
    scores = _table(
        "Scores", "score", "kind", "scored", "unscored", "mean (95 %)", right=("scored", "unscored", "mean (95 %)")
    )
    for s in report.scores:
        _row(scores, s.name, s.kind, str(s.scored), str(s.unscored), span(s.mean))
    slices = _table("Slices", "by", "of", "trials", "passed (95 %)", right=("trials", "passed (95 %)"))
    for s in report.slices:
        _row(slices, s.by, s.name, str(s.passed.n), span(s.passed))
    sure = [f"{c.what} {c.error:.3f} of {c.n}" for c in report.confidences if c.error is not None]
    return [*parts, scores, slices, *([Text(f"Calibration error: {', '.join(sure)}")] if sure else [])]


def _failure(f: Failure) -> str:
    why = f"no answer: {f.error}" if f.error else "; ".join(f"{name}: {reason}" for name, reason in f.reasons)
    return f"{f.case} ({', '.join(filter(None, (f.issue_type, f.severity, f.language)))}): {why}"


def comparison_parts(found: Comparison) -> list[RenderableType]:
    """What flipped first, with scores, decisions, answer and prompts."""
    head = (
        f"{found.before.id} to {found.now.id}: {found.broke} broke, {found.mended} mended (p = {found.chance:.3f}), "
        f"{len(found.diffs)} differ, {found.same} are the same, {len(found.only_before)} only before, "
        f"{len(found.only_now)} only now"
    )
    passed = f"passed {span(found.before.passed)} before, {span(found.now.passed)} now"
    parts: list[RenderableType] = [Text(f"{line(head)}\n{passed}")]
    parts += [_prompt(v.name, v.before, v.now, v.rows) for v in found.versions]
    for d in found.diffs[:MOST]:
        tally = f"passed {d.before[0]} of {d.before[1]} before, {d.now[0]} of {d.now[1]} now"
        lines = [
            Text(
                line(f"{d.flip or 'differs'}: {d.case} ({d.issue_type}, {d.severity}, {d.language}; {tally})"),
                style="bold",
            )
        ]
        lines += [Text(line(f"  no answer now: {d.error}"))] if d.error else []
        lines += [Text(line(f"  {c.score}: {figure(c.before)} became {figure(c.now)}. {c.reason}")) for c in d.scores]
        lines += [Text(line(f"  {f.name}: {f.before or '-'} became {f.now or '-'}")) for f in d.fields]
        lines += [_rows(d.draft)] if d.draft else []
        lines += [_prompt(v.name, v.before, v.now, v.rows) for v in d.prompts]
        parts.append(Text("\n").join(lines))
    if len(found.diffs) > MOST:
        parts.append(Text(f"... and {len(found.diffs) - MOST} more; --html has all"))
    return parts


def _prompt(name: str, before: str, now: str, rows: tuple[Row, ...]) -> Text:
    head = Text(line(f"  {name}: {before or 'none'} became {now or 'none'}"))
    return Text("\n").join([head, _rows(rows)]) if rows else head


def _rows(rows: tuple[Row, ...]) -> Text:
    """Lines before in red and now in green, each with its sign; the words that differ are underlined."""
    found: list[Text] = []
    for row in rows:
        if row.same:
            found.append(Text("    " + clean("".join(p.text for p in row.before or ())), style="dim"))
            continue
        for mark, side, style in (("-", row.before, "red"), ("+", row.now, "green")):
            if side is not None:
                pieces = [(clean(p.text), f"{style} underline" if p.changed else style) for p in side]
                found.append(Text.assemble((f"  {mark} ", style), *pieces))
    return Text("\n").join(found)
