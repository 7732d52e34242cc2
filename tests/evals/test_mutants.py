"""The safety net is tested itself: every bad answer made by rule is seen, and every piece of the guard is needed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from agent.guard import RULES
from evals import mutants, weaken
from evals.answer import Answer
from evals.mutants import Mutant, Seen, holes, look, rows
from evals.mutators import Mutator, put, sentences
from evals.mutators_form import MUTATORS
from evals.scorers import SCORERS
from evals.weaken import Weakening, notice, weakenings
from tests.evals.suite import dataset, good, grounds

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
OPEN = {"invented_tracking", "unbacked_promise", "claimed_action", "money_sent", "unverified_order_fact"}
"""Rules whose sentences may be true when an order is known."""


@cache
def bases(language: str) -> tuple[Answer, ...]:
    """Good letters of a language, one for each issue type and some with injected words."""
    found: dict[tuple[str, bool], Answer] = {}
    for name, case in dataset().cases.items():
        kind = (case.expected.issue_type[0], bool(case.row.injection))
        if case.expected.language == language and kind not in found:
            a = good(name)
            if a.letter is not None and a.letter.language == language and not any(f.hard for f in a.findings):
                found[kind] = a
    return tuple(found.values())


def base_for(rule: str, language: str) -> Answer:
    for a in bases(language):
        safety = a.form.issue_type == "product_safety"
        unknown = a.evidence.order is None and a.evidence.dispute is None
        if (safety if rule == "unsafe" else unknown or rule not in OPEN) and not a.case.row.injection:
            return a
    pytest.fail(f"no good letter for {rule} in {language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_rule_finds_every_sentence_that_breaks_it(language: str):
    missed = [
        (rule, sentence)
        for rule, by_language in sentences().sentences.items()
        for sentence in by_language[language]
        for a in [base_for(rule, language)]
        if not replace(a, json=put(a, sentence)).check({rule: RULES[rule]}).findings
    ]
    assert missed == []


@cache
def seen() -> tuple[Seen, ...]:
    """All mutators on English letters."""
    return tuple(look(m) for m in mutants.mutants(bases("en"), most=1))


def test_nothing_that_is_hard_misses_an_english_mutant_and_everything_is_aimed_at():
    assert [(s.mutant.by.name, s.mutant.what, s.missed) for s in seen() if s.missed] == []
    rules, scored = rows(seen())
    assert {r.name for r in rules if not r.aimed} == set()
    # a wrong severity is forbidden, or a needed policy line left out, only in some cases
    assert {r.name for r in scored if not r.aimed} <= {
        "flags",
        "collaborators",
        "policy_refs",
        "severity_forbidden",
        "injection",
    }


def test_every_rule_and_every_scorer_has_a_mutator():
    assert {r for m in MUTATORS for r in m.rules} == set(RULES)
    assert {s for m in MUTATORS for s in m.scorers} == {s.name for s in SCORERS}


def test_a_mutant_that_nothing_sees_is_a_hole_and_the_table_names_it():
    one = seen()[0]
    blind = replace(one, rules=frozenset(), scorers=frozenset())
    assert one.mutant.by.rules[0] in holes([blind])
    assert f"{one.mutant.base.case.name}: {one.mutant.by.name}" in mutants.table([blind])
    assert set(holes([])) == set(RULES) | {s.name for s in SCORERS}


def test_a_good_answer_is_no_mutant():
    a = bases("en")[0]
    idle = look(Mutant(MUTATORS[0], "nothing", a, a, mutants.by_name(a)))
    assert (idle.rules, idle.blocked, idle.scorers) == (frozenset(), False, frozenset())


def test_an_answer_that_is_bad_already_makes_no_mutant_for_what_holds_that_against_it():
    a = bases("en")[0]
    bad = replace(a, json=put(a, "The difference is 731.55 EUR."))
    assert [m for m in mutants.mutants([bad], 1) if "facts" in m.by.scorers] == []


def english() -> list[Mutant]:
    return [s.mutant for s in seen() if s.mutant.by.rules]


def test_each_rule_that_is_taken_away_is_noticed():
    gone = [notice(w, english(), grounds()) for w in weakenings(grounds().rulebook) if not w.language]
    assert [n.weakening.name for n in gone] == [f"{rule}: the rule" for rule in RULES]
    assert [n.weakening.name for n in gone if not n.lost] == []


def test_the_words_of_each_rule_that_are_taken_away_are_noticed():
    some = [w for w in weakenings(grounds().rulebook) if w.language == "en"]
    assert len(some) > 15
    assert [w.name for w in some if not notice(w, english(), grounds()).lost] == []


def test_a_piece_that_no_mutant_is_aimed_at_is_told_as_unnoticed():
    w = Weakening("accuses: the rule", "accuses")
    assert notice(w, [], grounds()).lost == 0
    assert "1 unnoticed: accuses: the rule" in weaken.table([notice(w, [], grounds())])


def test_the_commands_say_one_sentence_when_the_suite_cannot_be_read(tmp_path, capsys: pytest.CaptureFixture[str]):
    for command in (mutants.main, weaken.main):
        assert command(["--suites", str(tmp_path), "--files", str(tmp_path)]) == 2
        assert "there is no case" in capsys.readouterr().err


def test_mutators_do_not_change_the_answer_that_they_are_given():
    a = bases("en")[0]
    before = repr(a.json)
    for m in MUTATORS:
        list(m.make(a))
    assert repr(a.json) == before
    assert all(isinstance(m, Mutator) for m in MUTATORS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_suite_has_no_hole_in_any_language():
    assert mutants.main(["--most", "3"]) == 0
    assert weaken.main([]) == 0
