from __future__ import annotations

import pytest

from evals.compare import compare
from evals.errors import IncomparableError
from evals.textdiff import Row, side_by_side, unified
from tests.builders_runs import ANSWER, drawn, hard, run, soft, trial


def words(side: tuple[object, ...] | None) -> list[str]:
    return [p.text for p in side or () if p.changed]  # type: ignore[attr-defined]


# --- texts --------------------------------------------------------------------------------------------------------


def test_a_changed_line_shows_the_words_that_changed():
    [row] = side_by_side("We sent it on 3 May.", "We sent it on 9 May.")
    assert (words(row.before), words(row.now)) == (["3"], ["9"])
    assert "".join(p.text for p in row.before or ()) == "We sent it on 3 May."


def test_a_line_that_came_or_went_stands_alone():
    rows = side_by_side("one\ntwo", "one\ntwo\nthree")
    assert [r.same for r in rows] == [True, True, False]
    assert rows[2].before is None
    assert words(rows[2].now) == ["three"]
    assert side_by_side("gone", "")[0].now is None


def test_texts_that_are_equal_have_no_differences_and_long_ones_are_shortened():
    text = "\n".join(str(n) for n in range(30))
    assert all(row.same for row in side_by_side(text, text))
    assert side_by_side(text, text, context=1) == ()
    near = side_by_side(text, text.replace("15", "x"), context=1)
    assert ["".join(p.text for p in r.before or ()) for r in near] == ["...", "14", "15", "16", "..."]
    assert unified("a\nb", "a\nc") == ["  a", "- b", "+ c"]


def test_both_sides_hold_every_line_of_their_text():
    before, now = "a\nb\nc\nd", "a\nx\ny\nd\ne"
    rows: tuple[Row, ...] = side_by_side(before, now)
    assert "\n".join("".join(p.text for p in r.before) for r in rows if r.before is not None) == before
    assert "\n".join("".join(p.text for p in r.now) for r in rows if r.now is not None) == now


# --- runs ---------------------------------------------------------------------------------------------------------


def test_flips_come_first_then_what_fell_then_what_only_reads_differently():
    draft = ANSWER["draft"]
    before = run(*(trial(c) for c in "abcef"), trial("d", 0, hard(0.0), soft()), trial("g", 0, hard(0.0)), id="run_a")
    now = run(
        trial("a"),
        trial("b", answer={"draft": draft | {"body": "Dear Ada,\n\nother words."}}),
        trial("c", 0, hard(), soft(0.2)),
        trial("d"),
        trial("e", 0, hard(0.0, reason="FH-9 is in no source"), soft()),
        trial("f", error="timeout", answer=None, scores=()),
        trial("g", 0, hard(0.0)),
    )
    found = compare(before, now)
    assert [(d.case, d.flip) for d in found.diffs] == [
        ("e", "broke"),
        ("f", "lost"),
        ("d", "mended"),
        ("c", ""),
        ("b", ""),
    ]
    assert (found.same, found.broke, found.mended, found.chance) == (2, 2, 1, 1.0)
    broke, lost, *_, reads = found.diffs
    assert [(c.score, c.before, c.now, c.reason) for c in broke.scores] == [("facts", 1, 0, "FH-9 is in no source")]
    assert (lost.error, lost.now) == ("timeout", (0, 0))
    assert [r.same for r in reads.draft] == [True, True, True, True, False, False, False]


def test_decisions_that_differ_are_told_one_by_one():
    now = run(trial("a", answer={"severity": "S2", "flags": ["angry"], "human_lead": True}))
    [diff] = compare(run(trial("a"), id="run_a"), now).diffs
    assert [(f.name, f.before, f.now) for f in diff.fields] == [
        ("severity", "S3", "S2"), ("flags", "", "angry"), ("human_lead", "false", "true"),
    ]  # fmt: skip


def test_prompts_are_told_by_hash_and_with_their_text_where_it_was_kept():
    texts = {"aaaa": "Say sorry.\nSay when.", "bbbb": "Say sorry.\nSay when exactly."}
    before = run(trial("a"), id="run_a", versions={"pack": "p1", "encoder": "e1"})
    now = run(trial("a", answer={"versions": {"prompt": "bbbb"}}), versions={"pack": "p2", "encoder": "e1"})
    found = compare(before, now, lambda name, hash_: texts.get(hash_))
    assert [(v.name, v.before, v.now, v.rows) for v in found.versions] == [("pack", "p1", "p2", ())]
    [prompt] = found.diffs[0].prompts
    assert words(prompt.rows[-1].now) == [" exactly"]


def test_a_case_of_many_trials_flips_when_most_of_them_do():
    found = compare(drawn([1.0, 1.0, 0.5], 1, id="run_a"), drawn([0.1, 1.0, 0.6], 2))
    assert found.diffs[0].case == "case-000"
    assert found.diffs[0].flip == "broke"
    assert (found.diffs[0].before, found.diffs[0].now) == ((4, 4), (1, 4))
    assert "case-001" not in {d.case for d in found.diffs}


def test_means_are_over_the_cases_that_both_runs_have():
    before = run(trial("a"), trial("b"), trial("gone"), id="run_a")
    found = compare(before, run(trial("a", 0, hard(), soft(0.4)), trial("b"), trial("new", 0, hard(0.0))))
    means = {m.score: (m.cases, round(m.before, 3), round(m.now, 3)) for m in found.means}
    assert means == {"passed": (2, 1, 1), "facts": (2, 1, 1), "completeness": (2, 0.8, 0.6)}
    assert (found.only_before, found.only_now) == (("gone",), ("new",))


def test_quarantine_is_left_out():
    before, now = (
        run(trial("a"), trial("q", split="quarantine"), id="run_a"),
        run(trial("a"), trial("q", 0, hard(0.0), split="quarantine")),
    )
    assert compare(before, now).diffs == ()


def test_runs_of_other_cases_are_refused_in_one_sentence():
    with pytest.raises(IncomparableError, match=r"^Run run_b and run_a do not compare: .* then compare\.$"):
        compare(run(trial("a"), id="run_a"), run(trial("a"), dataset="other"))


def test_answers_that_are_no_answers_compare_without_trouble():
    before = run(
        trial("a", answer=None), trial("b", answer={"draft": None, "confidence": None, "versions": None}), id="run_a"
    )
    assert [d.case for d in compare(before, run(trial("a"), trial("b"))).diffs] == ["a", "b"]
