"""Outputs to be rated, what people said of them, and what was settled. Rows are only ever added.

Outputs are of the suite's cases, which are invented or scrubbed; a note is what a person typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import JSON, Column, Connection, ForeignKey, RowMapping, String, Table, Text, insert, select

from api.ids import new_id
from api.store.columns import at_column, flag_column, id_column, json_column, metadata, number_column, word_column
from evals.ratings import Adjudication, Item, Planned, Rating, Shown

rating_items = Table(
    "rating_items", metadata,
    id_column(),
    Column("run", String(80), nullable=False, index=True),
    Column("case_name", String(80), nullable=False),
    number_column("trial"),
    Column("output_hash", String(64), nullable=False),
    Column("shown", JSON, nullable=False),
    flag_column("double"),
    flag_column("repeat"),
    Column("mutant", String(200), nullable=False, server_default=""),
    number_column("place"),
    at_column("at"),
)  # fmt: skip
"""Outputs that are rated, as raters see them, with the plan that raters do not see."""

ratings = Table(
    "ratings", metadata,
    id_column(),
    Column("item_id", String(40), ForeignKey("rating_items.id"), nullable=False, index=True),
    word_column("rater", None, index=True),
    word_column("role", None),
    json_column("dims"),
    word_column("first_fault"),
    json_column("span"),
    Column("note", Text, nullable=False, server_default="", info={"personal": True}),
    number_column("seconds"),
    Column("rubric_hash", String(64), nullable=False),
    flag_column("repeat"),
    Column("supersedes", String(40), nullable=False, server_default=""),
    at_column("at"),
)  # fmt: skip
"""Ratings; one that supersedes another leaves it as it is."""

adjudications = Table(
    "adjudications", metadata,
    id_column(),
    Column("item_id", String(40), ForeignKey("rating_items.id"), nullable=False, index=True),
    word_column("who", None),
    json_column("dims"),
    word_column("first_fault"),
    json_column("span"),
    Column("note", Text, nullable=False, server_default="", info={"personal": True}),
    Column("rubric_hash", String(64), nullable=False),
    Column("supersedes", String(40), nullable=False, server_default=""),
    at_column("at"),
)  # fmt: skip
"""What somebody settled after people rated."""


def add_items(conn: Connection, plans: Iterable[Planned], now: datetime) -> int:
    """Outputs to be rated, in their order; returns how many."""
    rows = [
        {
            "id": new_id("itm", now), "run": p.run, "case_name": p.case, "trial": p.trial, "output_hash": p.shown.hash,
            "shown": p.shown.model_dump(mode="json"), "double": p.double, "repeat": p.repeat, "mutant": p.mutant,
            "place": place, "at": now,
        }
        for place, p in enumerate(plans)
    ]  # fmt: skip
    if rows:
        conn.execute(insert(rating_items), rows)
    return len(rows)


def has_run(conn: Connection, run: str) -> bool:
    """Whether outputs of a run are rated."""
    return conn.execute(select(rating_items.c.id).where(rating_items.c.run == run).limit(1)).first() is not None


def items(conn: Connection) -> list[Item]:
    """All outputs, the runs that were given first before later ones."""
    query = select(rating_items).order_by(rating_items.c.at, rating_items.c.run, rating_items.c.place)
    return [_item(row) for row in conn.execute(query).mappings()]


def item(conn: Connection, id_: str, *, lock: bool = False) -> Item | None:
    """One output; with `lock` nobody else writes about it until the transaction ends."""
    query = select(rating_items).where(rating_items.c.id == id_)
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _item(row)


def _item(row: RowMapping) -> Item:
    shown = Shown.model_validate(row["shown"])
    return Item(
        row["id"],
        Planned(row["run"], row["case_name"], row["trial"], shown, row["double"], row["repeat"], row["mutant"]),
    )


def every(conn: Connection, item_id: str | None = None) -> list[Rating]:
    """All ratings, or those of one output, superseded ones too, oldest first."""
    query = select(
        ratings, rating_items.c.run, rating_items.c.case_name, rating_items.c.trial, rating_items.c.output_hash
    )
    query = query.join(rating_items).order_by(ratings.c.at, ratings.c.id)
    if item_id is not None:
        query = query.where(ratings.c.item_id == item_id)
    return [
        Rating(
            id=r["id"], item=r["item_id"], run=r["run"], case=r["case_name"], trial=r["trial"],
            output_hash=r["output_hash"], rater=r["rater"], role=r["role"], dims=r["dims"],
            first_fault=r["first_fault"], span=r["span"], note=r["note"], seconds=r["seconds"],
            rubric_hash=r["rubric_hash"], repeat=r["repeat"], supersedes=r["supersedes"], at=r["at"],
        )
        for r in conn.execute(query).mappings()
    ]  # fmt: skip


def add(conn: Connection, rating: Rating) -> None:
    """One more rating."""
    row = rating.model_dump(exclude={"item", "run", "case", "trial", "output_hash", "blind"})
    conn.execute(insert(ratings).values(item_id=rating.item, **row))


def settled(conn: Connection, item_id: str | None = None) -> Sequence[Adjudication]:
    """All that was settled, or what was settled of one output, oldest first."""
    query = select(adjudications).order_by(adjudications.c.at, adjudications.c.id)
    if item_id is not None:
        query = query.where(adjudications.c.item_id == item_id)
    return [
        Adjudication(
            id=r["id"], item=r["item_id"], who=r["who"], dims=r["dims"], first_fault=r["first_fault"], span=r["span"],
            note=r["note"], rubric_hash=r["rubric_hash"], supersedes=r["supersedes"], at=r["at"],
        )
        for r in conn.execute(query).mappings()
    ]  # fmt: skip


def settle(conn: Connection, found: Adjudication) -> None:
    """One more settlement."""
    conn.execute(insert(adjudications).values(item_id=found.item, **found.model_dump(exclude={"item"})))
