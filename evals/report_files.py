"""A gate's verdict for other tools: JUnit XML for CI, Markdown for a pull request."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET  # only written here, never read

from evals.compare import CaseDiff, Comparison
from evals.outcome import Run
from evals.plain import clean, figure, line, percent, points, span
from evals.report import Report
from evals.textdiff import Row
from evals.verdict import Change, Result

MOST: Final = 20
"""Cases told whole in a pull request; the HTML page has all."""
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@$-])")


def junit(run: Run, result: Result | None = None) -> str:
    """The run as JUnit XML, a test case for each case.

    A case fails when the gate holds it against the run, or without a gate when a hard score does not hold; one without an
    answer is an error; one whose answer is stale, or in quarantine, is skipped.
    """
    against: dict[str, list[Change]] = defaultdict(list)
    for change in result.broken if result else ():
        against[change.case].append(change)
    suite = ET.Element("testsuite", name=f"evals {run.tier}")
    cases = sorted(run.trials, key=lambda t: (t.case, t.trial))
    for name, group in groupby(cases, key=lambda t: t.case):
        trials = list(group)
        test = ET.SubElement(suite, "testcase", classname=line(f"evals.{trials[0].issue_type}"), name=line(name))
        took = sum(t.latency_ms or 0 for t in trials)
        test.set("time", f"{took / 1000:.3f}")
        errors, stale = [t.error for t in trials if t.error], [t.stale for t in trials if t.stale]
        if trials[0].split == "quarantine" or stale:
            ET.SubElement(test, "skipped", message=line(stale[0] if stale else "in quarantine"))
        elif errors:
            ET.SubElement(test, "error", message=line(errors[0]))
        elif why := _held(against[name]) if result else _failed(run, name):
            ET.SubElement(test, "failure", message=line(why[0])).text = clean("\n".join(why))
    for change in (c for name, some in against.items() for c in some if name not in {t.case for t in cases}):
        test = ET.SubElement(suite, "testcase", classname="evals.lost", name=line(change.case), time="0.000")
        ET.SubElement(test, "failure", message=line(change.reason))
    if result:
        test = ET.SubElement(suite, "testcase", classname="evals.gate", name="verdict", time="0.000")
        if result.exit_code:
            ET.SubElement(test, "failure", message=line(f"{result.verdict}: {result.reason}", 2000))
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _held(changes: Iterable[Change]) -> list[str]:
    return [f"{c.score}: {figure(c.before)} became {figure(c.now)}; {c.reason}" for c in changes]


def _failed(run: Run, case: str) -> list[str]:
    return [
        f"{s.name}: {s.reason}"
        for t in run.trials
        if t.case == case
        for s in t.scores
        if s.kind == "hard" and s.value is not None and s.value < 1
    ]


# --- Markdown -----------------------------------------------------------------------------------------------------


def md(text: object, most: int = 300) -> str:
    """Text of strangers as one line of Markdown in which nothing is a mark, a mention or HTML."""
    return _MARKS.sub(r"\\\1", line(str(text), most)).replace("://", ":\u200b//")


def markdown(result: Result | None, comparison: Comparison | None = None, report: Report | None = None) -> str:
    """For a pull request: the verdict, then what broke with its answers side by side, then the figures."""
    parts: list[str] = []
    if result:
        parts += [f"## Evals: {result.verdict}", md(result.reason, 2000)]
        if result.needs_bless:
            parts.append("The reference does not hold this yet: look at it, then `desk eval bless`.")
        left = "".join(f"; {n} left out: {md(why)}" for why, n in result.left_out.items())
        parts.append(
            f"Run {md(result.run)} against {md(result.reference)}, {result.tier} tier, {result.cases} cases compared{left}."
        )
        parts += _tests(result)
    diffs = {d.case: d for d in comparison.diffs} if comparison else {}
    if result and result.broken:
        parts += ["### Got worse", *_told(result.broken, diffs)]
    elif comparison and (broke := [d for d in comparison.diffs if d.flip in {"broke", "lost"}]):
        parts += ["### Got worse", *_told([c for d in broke for c in d.scores], diffs)]
    if comparison:
        told = ", ".join(f"{md(v.name)} `{_tick(v.before)}` became `{_tick(v.now)}`" for v in comparison.versions)
        parts += [f"{comparison.broke} broke, {comparison.mended} mended, {comparison.same} are the same."]
        parts += [f"What made the runs differs: {told}."] if told else []
    if report:
        parts += ["### Figures", *_figures(report)]
    return "\n\n".join(parts) + "\n"


def _tick(text: str) -> str:
    return line(text, 80).replace("`", "'") or "none"


def _tests(result: Result) -> list[str]:
    if not result.tests:
        return []
    rows = [
        "| score | cases | before | now | change, points | 95 % | p of no fall | smallest fall it could show |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for t in result.tests:
        change = None if t.before is None or t.now is None else t.now - t.before
        rows.append(
            f"| {md(t.score)} | {t.cases} | {percent(t.before)} | {percent(t.now)} | {points(change)} | "
            f"{points(t.low)} to {points(t.high)} | {t.fell:.3f} | {percent(t.smallest)} |"
        )
    return ["\n".join(rows)]


def _told(changes: Sequence[Change], diffs: Mapping[str, CaseDiff]) -> list[str]:
    by_case: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_case[change.case].append(change)
    parts: list[str] = []
    for case, some in list(by_case.items())[:MOST]:
        lines = [f"**{md(case)}**"]
        lines += [f"- {md(c.score)}: {figure(c.before)} became {figure(c.now)}. {md(c.reason)}" for c in some]
        parts.append("\n".join(lines))
        if (diff := diffs.get(case)) and diff.draft:
            parts.append(_fence("\n".join(_lines(diff.draft))))
    if len(by_case) > MOST:
        parts.append(f"... and {len(by_case) - MOST} more; the HTML page has all.")
    return parts


def _lines(rows: Sequence[Row]) -> list[str]:
    found: list[str] = []
    for row in rows:
        before, now = ("".join(p.text for p in side) if side is not None else None for side in (row.before, row.now))
        if row.same:
            found.append(f"  {before}")
        else:
            found += [f"{mark} {text}" for mark, text in (("-", before), ("+", now)) if text is not None]
    return [clean(text) for text in found]


def _fence(text: str) -> str:
    """A code block that nothing in the text can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}diff\n{text}\n{ticks}"


def _figures(report: Report) -> list[str]:
    rows = ["| score | kind | scored | unscored | mean (95 %) |", "|---|---|--:|--:|--:|"]
    rows.append(
        f"| passed | hard | {report.passed.n if report.passed else 0} | {report.errors} | {span(report.passed)} |"
    )
    rows += [f"| {md(s.name)} | {s.kind} | {s.scored} | {s.unscored} | {span(s.mean)} |" for s in report.scores]
    return ["\n".join(rows)]
