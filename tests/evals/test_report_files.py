from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from evals import gate, plain
from evals.compare import compare
from evals.outcome import Run, Score
from evals.report import report
from evals.report_files import junit, markdown
from evals.report_html import html
from evals.report_text import comparison_parts, report_parts, result_parts, show
from evals.verdict import Policy, Result
from tests.builders_runs import ANSWER, drawn, hard, run, soft, trial

HOSTILE = (
    "<script>alert(1)</script> [red]x[/red] \x1b[31m\x07 ``` ](http://evil.example) @everyone | \u202egnp.exe & \"'"
)
BODY = f"Dear {HOSTILE},\n\nit comes on 3 May."


def runs() -> tuple[Run, Run]:
    """Every kind of difference, each with hostile words."""
    draft = ANSWER["draft"]
    before = run(
        trial("a", answer={"draft": draft | {"body": BODY}}),
        *(trial(c) for c in "bcd"),
        trial("e", 0, hard(0.0)),
        id="run_a",
        versions={"pack": "p1"},
    )
    now = run(
        trial("a", 0, hard(0.0, reason=HOSTILE), soft(), answer={"draft": draft | {"body": BODY.replace("3", "9")}, "flags": [HOSTILE]}),
        trial("b", 0, hard(), soft(0.25, reason=HOSTILE)),
        trial("c", error=HOSTILE, answer=None, scores=()),
        trial("d", answer={"versions": {"prompt": HOSTILE}}),
        trial("e", 0, hard(), Score(name=HOSTILE, kind="soft", value=0.5)),
        trial("h", split="holdout"),
        versions={"pack": HOSTILE},
    )  # fmt: skip
    return before, now


def judge(before: Run, now: Run) -> Result:
    """The gate's verdict, however many answers are missing."""
    return gate.judge(before, now, Policy(most_errors=1))


def page() -> str:
    before, now = runs()
    return html("Evals", report(now), judge(before, now), compare(before, now, lambda name, hash_: f"{name} {hash_}"))


class Tags(HTMLParser):
    """Which tags and attributes a page has, and whether they close in order."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# --- HTML ---------------------------------------------------------------------------------------------------------


def test_the_page_is_one_file_without_script_or_anything_from_elsewhere():
    text = page()
    found = Tags(text)
    assert found.open == []
    assert not found.tags & {"script", "link", "img", "iframe", "object", "base", "form", "a"}
    assert not {a for a in found.attributes if a.startswith("on") or a in {"src", "href", "style"}}
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text)


def test_words_of_strangers_stay_words_on_the_page():
    text = page()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_the_page_tells_the_verdict_then_what_flipped_then_the_figures():
    text = page()
    places = [
        text.index(words) for words in ("<b>fail</b>", "Got worse", "Case by case", "<del>3</del>", "<h2>Figures</h2>")
    ]
    assert places == sorted(places)
    assert "<ins>9</ins>" in text
    assert "2 cases got worse than in the reference." in text
    assert text.index('class="flip broke"') < text.index('class="flip lost"') < text.index('class="flip mended"')


def test_plots_say_in_words_what_they_show():
    text = html("Evals", report(runs()[1]))
    assert "<title>Reliability of severity: 80% sure, 100% right (4)</title>" in text
    assert "the desk answers 100% by itself, 0% of them wrong" in text
    assert text.count('class="plot"') == 4


def test_each_part_stands_alone():
    before, now = runs()
    for text in (
        html("x", report(before)),
        html("x", None, judge(before, now)),
        html("x", comparison=compare(before, now)),
    ):
        assert Tags(text).open == []
    empty = html("x", report(run(trial("a", error="timeout", answer=None, scores=()))))
    assert "no answer: timeout" in empty
    live = html("x", None, judge(drawn([0.9] * 60, 1, id="run_a"), drawn([0.5] * 60, 2)))
    assert "not scored" in live
    assert "passed fell from" in live


# --- JUnit --------------------------------------------------------------------------------------------------------


def test_junit_tells_each_case_and_why_it_fails():
    before, now = runs()
    suite = ET.fromstring(junit(now, judge(before, now)))  # noqa: S314 - our own
    cases = {f"{c.get('classname')}:{c.get('name')}": c for c in suite}
    assert {name for name, c in cases.items() if c.find("failure") is not None} == {
        "evals.damaged_or_defective:a", "evals.gate:verdict",
    }  # fmt: skip
    failure = cases["evals.damaged_or_defective:a"].find("failure")
    assert failure is not None
    assert "<script>alert(1)</script>" in (failure.text or "")
    assert cases["evals.damaged_or_defective:c"].find("error") is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "2", "1")


def test_junit_without_a_gate_tells_hard_scores_and_skips_what_does_not_count():
    text = junit(
        run(trial("a", 0, hard(0.0)), trial("q", 0, hard(0.0), split="quarantine"), trial("s", stale="old"), trial("b"))
    )
    suite = ET.fromstring(text)  # noqa: S314
    assert [(c.get("name"), [x.tag for x in c]) for c in suite] == [
        ("a", ["failure"]), ("b", []), ("q", ["skipped"]), ("s", ["skipped"]),
    ]  # fmt: skip


def test_junit_names_a_case_that_the_run_no_longer_holds():
    before, now = run(trial("a"), trial("gone"), id="run_a"), run(trial("a"))
    suite = ET.fromstring(junit(now, judge(before, now)))  # noqa: S314
    assert [c.get("name") for c in suite if c.find("failure") is not None] == ["gone", "verdict"]


# --- Markdown -----------------------------------------------------------------------------------------------------


def test_markdown_gives_the_verdict_first_then_what_broke_with_its_answers():
    before, now = runs()
    text = markdown(judge(before, now), compare(before, now), report(now))
    assert text.startswith("## Evals: fail\n\n2 cases got worse than in the reference.")
    assert "\n- it comes on 3 May.\n+ it comes on 9 May.\n" in text
    assert text.index("### Got worse") < text.index("1 mended") < text.index("### Figures")


def test_markdown_lets_no_words_of_strangers_out_of_their_place():
    before, now = runs()
    text = markdown(judge(before, now), compare(before, now), report(now))
    fence = re.search(r"\n(`{4,})diff\n(.*?)\n\1\n", text, re.S)
    assert fence
    assert "```" in fence[2]
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "code", text.replace(fence[0], ""))
    assert not re.search(r"(?<!\\)<|(?<!\\)@|\]\(http|http://", outside)
    assert all(row.count("|") - row.count("\\|") in {6, 9} for row in outside.splitlines() if row.startswith("|"))


def test_markdown_keeps_to_a_length_that_people_read():
    many = [f"c{n}" for n in range(30)]
    before, now = run(*(trial(c) for c in many), id="run_a"), run(*(trial(c, 0, hard(0.0)) for c in many))
    assert "... and 10 more; the HTML page has all." in markdown(judge(before, now), compare(before, now))


def test_markdown_of_a_live_gate_tells_what_could_have_been_seen():
    text = markdown(judge(drawn([0.97] * 60, 1, id="run_a"), drawn([0.97] * 60, 2)))
    assert "## Evals: pass" in text
    assert "| passed | 60 |" in text


# --- terminal -----------------------------------------------------------------------------------------------------


@pytest.fixture
def seen() -> str:
    before, now = runs()
    out = io.StringIO()
    parts = [*result_parts(judge(before, now)), *report_parts(report(now)), *comparison_parts(compare(before, now))]
    show(Console(file=out, width=160), parts)
    return out.getvalue()


def test_the_terminal_is_not_steered_by_what_it_shows(seen: str):
    assert "\x1b" not in seen
    assert "\x07" not in seen
    assert "[red]x[/red]" in seen


def test_the_terminal_tells_the_verdict_first_and_differences_with_their_signs(seen: str):
    assert seen.startswith("FAIL  2 cases got worse than in the reference.")
    assert "- it comes on 3 May." in seen
    assert "+ it comes on 9 May." in seen
    assert "broke: a (damaged_or_defective, S3, en; passed 1 of 1 before, 0 of 1 now)" in seen


# --- words --------------------------------------------------------------------------------------------------------


def test_texts_are_cleaned_of_what_is_no_text():
    assert plain.clean("a\x00b\tc\nd\x9b\u2066e") == "a\ufffdb\tc\nd\ufffd\ufffde"
    assert plain.line("a\n\n b   c") == "a b c"
    assert plain.line("x" * 400, 10) == "x" * 9 + "…"


def test_figures_are_written_shortly():
    assert [plain.figure(v) for v in (None, 0.0, 1.0, 0.5, 0.125)] == ["-", "0", "1", "0.5", "0.12"]
    assert (plain.percent(None), plain.percent(0.125), plain.points(-0.05), plain.span(None)) == (
        "-",
        "12.5%",
        "-5.0",
        "-",
    )
