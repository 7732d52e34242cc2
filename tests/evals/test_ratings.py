from __future__ import annotations

import math
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.errors import BrokenFile
from evals import stats
from evals.answer import load_grounds
from evals.calibration import calibrate
from evals.dataset import PROMPTS, load
from evals.errors import RatingError
from evals.rating_draw import UNFAIR, plan
from evals.rating_plan import next_task, rated, standing
from evals.ratings import FAULTS, GAP, LEVELS, Item, Opinion, Rating, load_rubric
from tests.builders_ratings import BAD, BEST, item, planned, rating
from tests.builders_runs import ANSWER, run, trial


def test_the_rubric_on_disk_says_what_every_level_and_fault_means():
    rubric = load_rubric(PROMPTS)
    assert {name: set(d.levels) for name, d in rubric.dimensions.items()} == {n: set(v) for n, v in LEVELS.items()}
    assert set(rubric.faults) == set(FAULTS)
    assert len(rubric.hash) == 64


def test_a_rubric_that_forgets_a_level_is_refused_with_its_file(tmp_path: Path):
    (tmp_path / "pack").mkdir()
    text = (PROMPTS / "pack/rubric.yaml").read_text()
    broken = text.replace("      edit:\n", "      maybe:\n")
    assert broken != text
    (tmp_path / "pack/rubric.yaml").write_text(broken)
    with pytest.raises(BrokenFile, match=r"rubric\.yaml.*levels of safe_to_send"):
        load_rubric(tmp_path)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"dims": {}}, "say something about facts_ok"),
        ({"dims": BEST | {"tone": "9"}}, "no tone '9'"),
        ({"dims": BEST | {"mood": "1"}}, "no mood"),
        ({"dims": BEST, "first_fault": "wrong_fact"}, "name no fault"),
        ({"dims": BAD}, "name the first thing"),
        ({"dims": BAD, "first_fault": "ugly"}, "no fault 'ugly'"),
        ({"dims": BAD, "first_fault": "wrong_fact", "span": (4, 4)}, "begins before it ends"),
        ({"dims": BEST, "span": (1, 4)}, "belongs to a fault"),
    ],
)
def test_an_opinion_that_the_rubric_does_not_have_is_refused(said: dict[str, Any], why: str):
    with pytest.raises(ValidationError, match=why):
        Opinion.model_validate(said)


# --- the plan ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Any:
    grounds = load_grounds()
    dataset = load(grounds.pack, date.max)
    names = [name for name, c in dataset.cases.items() if c.split != "quarantine" and c.expected.language == "en"][:40]
    body = (
        "Dear Ada,\n\nthank you for writing to us about this.\n\nYou will hear from us soon.\n\nKind regards,\nFernhill"
    )
    form: dict[str, Any] = {
        "severity_reason": "one order", "severity_floor": "", "human_lead_reason": "", "precedents": [],
        "draft": ANSWER["draft"] | {"body": body, "language": "en", "citations": [], "promises": [], "proposed_actions": []},
    }  # fmt: skip
    one = run(*(trial(name, answer=form) for name in names), dataset=dataset.hash)
    return one, dataset, grounds


def test_a_quarter_is_rated_by_two_a_twentieth_comes_back_and_a_twentieth_is_spoiled(made: Any):
    plans = plan(*made)
    natural = [p for p in plans if not p.mutant]
    seeded = [p for p in plans if p.mutant]
    assert len(natural) == 40
    assert sum(p.double for p in natural) == 10
    assert sum(p.repeat for p in natural) == 2
    assert len(seeded) == 2
    assert all(p.double and p.mutant not in UNFAIR for p in seeded)
    assert len({p.mutant for p in seeded}) == 2
    by_case = {p.case: p for p in natural}
    assert all(p.shown.hash != by_case[p.case].shown.hash for p in seeded)


def test_the_same_run_is_planned_the_same_and_a_changed_suite_is_refused(made: Any):
    one, dataset, grounds = made
    assert plan(one, dataset, grounds) == plan(one, dataset, grounds)
    with pytest.raises(RatingError, match="other cases"):
        plan(one.model_copy(update={"dataset": "x"}), dataset, grounds)
    with pytest.raises(RatingError, match="no letter"):
        plan(run(trial(one.trials[0].case, answer=None), dataset=dataset.hash), dataset, grounds)


def test_what_a_rater_sees_names_no_engine_version_or_run(made: Any):
    one, dataset, grounds = made
    for p in plan(one, dataset, grounds):
        text = p.shown.model_dump_json()
        assert not [word for word in ("embedded", "versions", one.id, "confidence", p.mutant or "?!") if word in text]


# --- who rates what ----------------------------------------------------------------------------------------------------


def rate_all(items: list[Item], raters: str, wrong: dict[str, set[str]] | None = None) -> list[Rating]:
    """Everybody takes turns until nothing is left."""
    said: list[Rating] = []
    minute = 0
    while True:
        tasks = [(r, t) for r in raters if (t := next_task(items, said, r))]
        if not tasks:
            return said
        rater, task = tasks[minute % len(tasks)]
        dims = BAD if task.item.id in (wrong or {}).get(rater, ()) else BEST
        said.append(rating(task.item, rater, minute, dims=dims, repeat=task.repeat))
        minute += 1


def test_nobody_gets_an_output_twice_but_for_the_planned_second_look():
    items = [item(n, double=n % 4 == 0, repeat=n == 13) for n in range(40)]
    said = rate_all(items, "ab")
    looks = Counter((r.item, r.rater) for r in said if not r.repeat)
    assert set(looks.values()) == {1}
    assert Counter(i for i, _ in looks) == Counter({i.id: i.plan.needed for i in items})
    again = [r for r in said if r.repeat]
    assert [r.item for r in again] == ["itm_013"]
    first = next(r for r in said if r.item == "itm_013" and not r.repeat)
    assert again[0].rater == first.rater
    between = [r for r in said if r.rater == first.rater and first.at < r.at < again[0].at]
    assert len(between) >= GAP or next_task(items, said[: said.index(again[0])], first.rater) is not None


def test_a_second_look_waits_for_ten_others_unless_nothing_else_is_left():
    items = [item(0, repeat=True), *(item(n) for n in range(1, 20))]
    said = [rating(items[0], "a", 0)]
    for n in range(1, GAP + 1):
        task = next_task(items, said, "a")
        assert task is not None
        assert not task.repeat
        said.append(rating(items[n], "a", n))
    task = next_task(items, said, "a")
    assert task is not None
    assert (task.repeat, task.item.id) == (True, "itm_000")
    alone = next_task(items[:1], said[:1], "a")
    assert alone is not None
    assert alone.repeat
    assert next_task(items[:1], said[:1], "b") is None


def test_a_rating_that_was_superseded_does_not_stand():
    one = item()
    first = rating(one, "a", 0)
    second = rating(one, "a", 1, dims=BAD, supersedes=first.id)
    assert standing([second, first]) == [second]


def test_gold_is_what_was_settled_else_what_two_agree_on():
    one, two, three = item(0, double=True), item(1, double=True), item(2)
    said = [
        rating(one, "a"), rating(one, "b", 1), rating(two, "a", 2), rating(two, "b", 3, dims=BAD), rating(three, "a", 4),
    ]  # fmt: skip
    agreed, open_, single = rated([one, two, three], said)
    assert agreed.gold is not None
    assert agreed.gold.dims == BEST
    assert (open_.gold, open_.differ) == (None, ("facts_ok", "safe_to_send"))
    assert single.gold is None


# --- what ratings are worth --------------------------------------------------------------------------------------------


def test_agreement_is_that_of_the_statistics_over_natural_outputs_only():
    items = [item(n, double=True) for n in range(120)] + [
        item(n, double=True, mutant="date shifted") for n in range(120, 126)
    ]
    bad = {
        "a": {f"itm_{n:03}" for n in range(30)},
        "b": {f"itm_{n:03}" for n in range(5, 40)} | {"itm_120", "itm_121"},
    }
    found = calibrate(rated(items, rate_all(items, "ab", bad)))
    assert (found.items, found.mutants, found.double, found.enough) == (120, 6, 120, True)
    pairs = [[("no" if f"itm_{n:03}" in bad[who] else "pass") for who in "ab"] for n in range(120)]
    line = next(x for x in found.lines if x.name == "safe_to_send")
    levels = LEVELS["safe_to_send"]
    assert line.kappa == stats.kappa([a for a, _ in pairs], [b for _, b in pairs], levels, quadratic=True)
    assert line.alpha.value == stats.alpha(pairs, levels, scale="interval").value
    assert line.pairs == {("no", "no"): 25, ("no", "pass"): 15, ("pass", "pass"): 80}
    caught = {r.rater: r.caught for r in found.reviewers}
    assert caught == {"a": stats.wilson(0, 6), "b": stats.wilson(2, 6)}


def test_below_a_hundred_outputs_rated_twice_there_are_too_few_and_no_kappa_for_three_raters():
    items = [item(n, double=True) for n in range(99)]
    found = calibrate(rated(items, rate_all(items, "abc")))
    assert not found.enough
    assert all(line.kappa is None and not line.alpha.enough for line in found.lines)


def test_steadiness_counts_the_second_looks_that_say_the_same():
    items = [item(n, repeat=True) for n in range(4)]
    said = [rating(i, "a", n) for n, i in enumerate(items)]
    said += [rating(i, "a", 10 + n, repeat=True, dims=BAD if n == 0 else BEST) for n, i in enumerate(items)]
    (only,) = calibrate(rated(items, said)).reviewers
    assert only.steady is not None
    assert math.isclose(only.steady.value, 0.75)
    assert only.rated == 4


def test_a_planned_output_knows_how_many_rate_it():
    assert (planned().needed, planned(double=True).needed) == (1, 2)
