"""What people do with outputs of eval runs: rate them blind, settle where they differ, and read what the ratings are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection

from api.auth import Principal
from api.clock import Clock
from api.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from api.ids import new_id
from api.store import ratings as kept
from api.store.unit import Store
from evals.rating_plan import Rated, in_force, next_task, rated, standing
from evals.ratings import Adjudication, Item, Opinion, Planned, Rating, Rubric, Shown, load_rubric

MOST_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Blind:
    """All that a rater is given: an id that says nothing, and the output. Whoever builds a page or an answer for raters
    gets this and nothing else, so that it cannot tell more.
    """

    item: str
    shown: Shown
    done: int
    """Outputs that this person rated so far."""
    left: int
    """New ones that wait for this person."""
    own: Rating | None = None
    """The person's own rating when they come back to change it."""


class Ratings:
    """The verbs of rating over one store."""

    def __init__(self, store: Store, clock: Clock, prompts: Path) -> None:
        self._store, self._clock, self._prompts = store, clock, prompts

    @property
    def rubric(self) -> Rubric:
        """The rubric on disk.

        Raises:
            BrokenFile: it cannot be used.

        """
        return load_rubric(self._prompts)

    def offer(self, who: Principal, run: str, plans: Sequence[Planned]) -> int:
        """Give the outputs of a run to be rated; returns how many were added, none for a run that was given before."""
        who.need("rate")
        with self._store.write("rate_items") as conn:
            return 0 if kept.has_run(conn, run) else kept.add_items(conn, plans, self._clock.now())

    def offered(self, who: Principal, run: str) -> bool:
        """Whether a run's outputs are rated."""
        who.need("rate")
        with self._store.read() as conn:
            return kept.has_run(conn, run)

    def next(self, who: Principal) -> Blind | None:
        """What this person rates next; None when nothing is left."""
        who.need("rate")
        with self._store.read() as conn:
            items, every = kept.items(conn), kept.every(conn)
        task = next_task(items, every, who.id)
        return None if task is None else _blind(task.item, items, every, who.id)

    def own(self, who: Principal, item_id: str) -> Blind:
        """An output that this person rated, with their own rating, to change it.

        Raises:
            NotFoundError: there is no such output, or the person did not rate it.

        """
        who.need("rate")
        with self._store.read() as conn:
            items, every = kept.items(conn), kept.every(conn)
        mine = [r for r in standing(every) if r.item == item_id and r.rater == who.id]
        if not mine:
            raise NotFoundError("output that you rated", item_id)
        found = next(i for i in items if i.id == item_id)
        return replace(_blind(found, items, every, who.id), own=_last(mine))

    def rate(
        self, who: Principal, item_id: str, said: dict[str, Any], *, seconds: int = 0, supersedes: str = ""
    ) -> str:
        """Keep what somebody says of an output; returns the id of the rating. Nothing is overwritten: a second rating of
        the same person supersedes the first, unless it is their planned second look.

        Args:
            who: the rater, at least a reviewer.
            item_id: the output.
            said: `dims`, `first_fault`, `note`, and where the fault is: `span`, or `quote` for its words.
            seconds: how long it took; more than a day counts as a day.
            supersedes: the person's own rating that they change.

        Raises:
            NotFoundError: there is no such output.
            InvalidError: it says too little, or something that the rubric does not have.
            ConflictError: it was settled meanwhile, others rated it already, or the rating to change is not the last.

        """
        who.need("rate")
        rubric = self.rubric
        with self._store.write("rate_output") as conn:
            item, now = _item(conn, item_id, lock=True), self._clock.now()
            opinion = _opinion(item, said)
            if kept.settled(conn, item_id):
                raise ConflictError("This output was settled meanwhile, so its ratings stay as they are.")
            repeat, before = _place(conn, item, who.id, supersedes)
            new = Rating(
                **opinion.model_dump(), id=new_id("rtg", now), item=item_id, run=item.plan.run, case=item.plan.case,
                trial=item.plan.trial, output_hash=item.plan.shown.hash, rater=who.id, role=who.role,
                seconds=max(0, min(seconds, MOST_SECONDS)), rubric_hash=rubric.hash, repeat=repeat, supersedes=before,
                at=now,
            )  # fmt: skip
            kept.add(conn, new)
            return new.id

    # --- after the ratings ------------------------------------------------------------------------------------------------

    def disagreements(self, who: Principal) -> list[Rated]:
        """Outputs on which people differ and that nobody settled; those that this person may settle."""
        who.need("rate")
        return [r for r in self._all() if r.complete and r.differ and r.settled is None and may_settle(who, r)]

    def to_settle(self, who: Principal, item_id: str) -> Rated:
        """An output with everybody's ratings.

        Raises:
            NotFoundError: there is no such output.
            ForbiddenError: the person rated it themselves and is no admin.
            ConflictError: not everybody who shall rate it did so.

        """
        who.need("rate")
        found = next((r for r in self._all() if r.item.id == item_id), None)
        if found is None:
            raise NotFoundError("output to settle", item_id)
        _need_complete(who, found)
        return found

    def settle(self, who: Principal, item_id: str, said: dict[str, Any]) -> str:
        """Say what holds of an output; returns the id. A second time supersedes the first.

        Raises:
            NotFoundError: there is no such output.
            InvalidError: it says too little, or something that the rubric does not have.
            ForbiddenError: the person rated it themselves and is no admin.
            ConflictError: not everybody who shall rate it did so.

        """
        who.need("rate")
        rubric = self.rubric
        with self._store.write("adjudicate") as conn:
            item, now = _item(conn, item_id, lock=True), self._clock.now()
            before = in_force(kept.settled(conn, item_id))
            _need_complete(who, rated([item], kept.every(conn, item_id), before)[0])
            new = Adjudication(
                **_opinion(item, said).model_dump(), id=new_id("adj", now), item=item_id, who=who.id,
                rubric_hash=rubric.hash, supersedes=before[-1].id if before else "", at=now,
            )  # fmt: skip
            kept.settle(conn, new)
            return new.id

    def all(self, who: Principal) -> list[Rated]:
        """Every output with its ratings, for figures; it tells the plan, so no rater's page shows single ones of it."""
        who.need("rate")
        return self._all()

    def _all(self) -> list[Rated]:
        with self._store.read() as conn:
            return rated(kept.items(conn), kept.every(conn), kept.settled(conn))


def may_settle(who: Principal, found: Rated) -> bool:
    """Whether a person may settle: nobody judges their own rating, but an admin may."""
    return who.role == "admin" or all(r.rater != who.id for r in found.looks)


def _need_complete(who: Principal, found: Rated) -> None:
    if not found.complete:
        raise ConflictError("Not everybody who shall rate this output did so yet; settle it after that.")
    if not may_settle(who, found):
        raise ForbiddenError("You rated this output yourself; somebody else, or an admin, settles it.")


def _item(conn: Connection, item_id: str, *, lock: bool = False) -> Item:
    found = kept.item(conn, item_id, lock=lock)
    if found is None:
        raise NotFoundError("output to rate", item_id)
    return found


def _blind(item: Item, items: Sequence[Item], every: Sequence[Rating], rater: str) -> Blind:
    looks: dict[str, set[str]] = {i.id: set() for i in items}
    for r in every:
        looks[r.item].add(r.rater)
    done = sum(rater in looks[i.id] for i in items)
    left = sum(rater not in looks[i.id] and len(looks[i.id]) < i.plan.needed for i in items)
    return Blind(item.id, item.plan.shown, done, left)


def _place(conn: Connection, item: Item, rater: str, supersedes: str) -> tuple[bool, str]:
    """Whether a new rating is the planned second look, and which rating it supersedes."""
    held = standing(kept.every(conn, item.id))
    mine = [r for r in held if r.rater == rater]
    if supersedes:
        old = next((r for r in mine if r.id == supersedes), None)
        if old is None:
            raise ConflictError("That rating is not your last one of this output; load the page again.")
        return old.repeat, old.id
    if not mine:
        if len({r.rater for r in held}) >= item.plan.needed:
            raise ConflictError("As many people as needed rated this output already; take the next one.")
        return False, ""
    task = next_task(kept.items(conn), kept.every(conn), rater) if item.plan.repeat else None
    if task is not None and task.repeat and task.item.id == item.id:
        return True, ""
    last = _last(mine)
    return last.repeat, last.id


def _last(mine: Sequence[Rating]) -> Rating:
    """Of a person's standing ratings of one output the second look, if there is one."""
    return max(mine, key=lambda r: (r.repeat, r.at))


def _opinion(item: Item, said: dict[str, Any]) -> Opinion:
    given = {name: value for name, value in said.items() if name != "quote"}
    quote = str(said.get("quote") or "").strip()
    if quote:
        at = item.plan.shown.body.find(quote)
        if at < 0:
            raise InvalidError("The words that you name as the fault are not in the letter; copy them from it.")
        given["span"] = (at, at + len(quote))
    try:
        found = Opinion.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        text = str(first["msg"]).removeprefix("Value error, ")
        raise InvalidError(f"This rating cannot be kept: {f'{where}: ' if where else ''}{text}.") from None
    if found.span is not None and found.span[1] > len(item.plan.shown.body):
        raise InvalidError("The place of the fault lies behind the end of the letter.")
    return found
