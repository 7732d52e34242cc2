"""Rating outputs of eval runs: who may, what is kept, and who settles."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import Doors, Principal
from api.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.rating import Ratings
from api.store import ratings as kept
from api.store.unit import Store
from evals.dataset import PROMPTS
from evals.rating_plan import standing
from tests.builders_ratings import BAD, BEST, planned

GOOD = {"dims": BEST}
WRONG = {"dims": BAD, "first_fault": "wrong_fact"}


@pytest.fixture
def people(doors: Doors, ada: Principal) -> dict[str, Principal]:
    roles = {"ruth": "reviewer", "otto": "reviewer", "mia": "reviewer", "abel": "agent"}
    return {name: doors.add_principal(ada, name, role) for name, role in roles.items()}  # type: ignore[arg-type]


@pytest.fixture
def ratings(store: Store, clock: Any) -> Ratings:
    return Ratings(store, clock, PROMPTS)


def every(store: Store) -> list[Any]:
    with store.read() as conn:
        return kept.every(conn)


def test_an_agent_may_neither_rate_nor_see_what_others_rated(ratings: Ratings, people: dict[str, Principal]):
    abel = people["abel"]
    for verb in (
        lambda: ratings.next(abel), lambda: ratings.offer(abel, "run_a", [planned()]), lambda: ratings.all(abel),
        lambda: ratings.rate(abel, "itm_0", GOOD), lambda: ratings.disagreements(abel),
        lambda: ratings.settle(abel, "itm_0", GOOD), lambda: ratings.own(abel, "itm_0"),
    ):  # fmt: skip
        with pytest.raises(ForbiddenError):
            verb()


def test_rating_twice_supersedes_and_overwrites_nothing(
    store: Store, ratings: Ratings, people: dict[str, Principal], clock: Any
):
    assert ratings.offer(people["ruth"], "run_a", [planned()]) == 1
    assert ratings.offer(people["ruth"], "run_a", [planned()]) == 0
    found = ratings.next(people["ruth"])
    assert found is not None
    first = ratings.rate(people["ruth"], found.item, GOOD, seconds=40)
    clock.advance(minutes=1)
    second = ratings.rate(people["ruth"], found.item, WRONG | {"quote": "cup 0", "note": "which cup?"})
    one, two = every(store)
    assert (one.id, one.dims, one.seconds, one.supersedes) == (first, BEST, 40, "")
    assert (two.id, two.supersedes, two.note, two.repeat) == (second, first, "which cup?", False)
    assert found.shown.body[slice(*two.span)] == "cup 0"
    assert (two.rater, two.role, two.blind, two.run) == (people["ruth"].id, "reviewer", True, "run_a")
    assert two.rubric_hash == ratings.rubric.hash
    assert two.output_hash == planned().shown.hash
    assert standing([one, two]) == [two]
    with pytest.raises(ConflictError, match="not your last"):
        ratings.rate(people["ruth"], found.item, GOOD, supersedes=first)


def test_the_planned_second_look_stands_beside_the_first(
    store: Store, ratings: Ratings, people: dict[str, Principal], clock: Any
):
    ratings.offer(people["ruth"], "run_a", [planned(repeat=True)])
    for said in (GOOD, WRONG):
        found = ratings.next(people["ruth"])
        assert found is not None
        ratings.rate(people["ruth"], found.item, said)
        clock.advance(minutes=1)
    assert ratings.next(people["ruth"]) is None
    assert [(r.repeat, r.supersedes) for r in every(store)] == [(False, ""), (True, "")]
    assert ratings.next(people["otto"]) is None


def test_what_is_no_rating_is_refused_in_one_sentence(ratings: Ratings, people: dict[str, Principal]):
    ruth = people["ruth"]
    ratings.offer(ruth, "run_a", [planned()])
    found = ratings.next(ruth)
    assert found is not None
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"dims": {}}, "say something about facts_ok"),
        (WRONG | {"quote": "not there"}, "not in the letter"),
        (WRONG | {"span": (0, 9999)}, "behind the end"),
        (GOOD | {"mood": 1}, "mood"),
    )
    for said, why in wrong:
        with pytest.raises(InvalidError, match=why):
            ratings.rate(ruth, found.item, said)
    with pytest.raises(NotFoundError):
        ratings.rate(ruth, "itm_none", GOOD)
    ratings.rate(ruth, found.item, GOOD)
    with pytest.raises(ConflictError, match="As many people"):
        ratings.rate(people["otto"], found.item, GOOD)


def test_only_after_all_rated_somebody_else_settles_and_then_ratings_stay(
    ratings: Ratings, people: dict[str, Principal], ada: Principal
):
    ruth, otto, mia = (people[name] for name in ("ruth", "otto", "mia"))
    ratings.offer(ruth, "run_a", [planned(double=True)])
    found = ratings.next(ruth)
    assert found is not None
    ratings.rate(ruth, found.item, GOOD)
    with pytest.raises(ConflictError, match="Not everybody"):
        ratings.to_settle(mia, found.item)
    ratings.rate(otto, found.item, WRONG)
    assert ratings.disagreements(ruth) == []
    with pytest.raises(ForbiddenError, match="yourself"):
        ratings.settle(ruth, found.item, GOOD)
    assert [r.differ for r in ratings.disagreements(mia)] == [("facts_ok", "safe_to_send")]
    ratings.settle(mia, found.item, WRONG)
    assert ratings.disagreements(mia) == []
    ratings.settle(ada, found.item, GOOD)
    (only,) = ratings.all(ada)
    assert only.gold is not None
    assert only.gold.dims == BEST
    assert only.settled is not None
    assert only.settled.supersedes
    with pytest.raises(ConflictError, match="settled meanwhile"):
        ratings.rate(ruth, found.item, WRONG)
