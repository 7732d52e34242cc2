"""Pages on which people rate outputs blind, and settle where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.errors import InvalidError
from api.policy import Desk, Rater
from api.rating import Blind
from api.reading import storable
from api.routes.evals import ratings_of
from api.routes.pages.frame import DONE, render
from api.store import casework
from api.wiring import Runtime
from evals.rating_plan import Rated
from evals.ratings import FAULTS, LEVELS, MOST_NOTE, Opinion, Shown

router = APIRouter(prefix="/evals", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form of an opinion."""

    dims: Mapping[str, str]
    first_fault: str = ""
    quote: str = ""
    note: str = ""

    @classmethod
    def of(cls, said: Opinion | None, shown: Shown) -> Typed:
        """What was said before."""
        if said is None:
            return cls({})
        quote = shown.body[said.span[0] : said.span[1]] if said.span else ""
        return cls(said.dims, said.first_fault, quote, said.note)

    @classmethod
    def read(cls, form: Mapping[str, Any]) -> Typed:
        """What came with a request, cut to what the form holds."""
        words = {name: str(storable(value))[:MOST_NOTE] for name, value in form.items() if isinstance(value, str)}
        dims = {name: words[name] for name in LEVELS if words.get(name)}
        return cls(
            dims, words.get("first_fault", ""), words.get("quote", "").replace("\r\n", "\n"), words.get("note", "")
        )

    @property
    def said(self) -> dict[str, Any]:
        """As the verbs take it."""
        return {"dims": dict(self.dims), "first_fault": self.first_fault, "quote": self.quote, "note": self.note}


@router.get("/rate")
def rate_page(request: Request, desk: Desk, who: Rater, done: str = "", last: str = "") -> Response:
    """The next output for this person; `last` is the one that they rated before, to change it."""
    found = ratings_of(desk).next(who)
    return _rate(request, desk, found, Typed({}), done=DONE.get(done, ""), last=last)


@router.get("/rate/{item}")
def change_page(item: str, request: Request, desk: Desk, who: Rater) -> Response:
    """An output that this person rated, to change their rating."""
    found = ratings_of(desk).own(who, item)
    return _rate(request, desk, found, Typed.of(found.own, found.shown))


@router.post("/rate/{item}")
async def rate(item: str, request: Request, desk: Desk, who: Rater) -> Response:
    """Keep a rating, then the next output."""
    form = dict(await request.form())
    typed, supersedes, took = Typed.read(form), str(form.get("supersedes") or "")[:40], str(form.get("seconds") or "")
    seconds = int(took) if took.isdecimal() and len(took) < 6 else 0

    def keep() -> Response:
        ratings = ratings_of(desk)
        try:
            ratings.rate(who, item, typed.said, seconds=seconds, supersedes=supersedes)
        except InvalidError as error:
            found = ratings.own(who, item) if supersedes else ratings.next(who)
            if found is None or found.item != item:
                raise
            return _rate(request, desk, found, typed, problem=str(error))
        return RedirectResponse(f"/evals/rate?done=rated&last={item}", 303)

    return await run_in_threadpool(keep)


@router.get("/adjudicate")
def settle_list(request: Request, desk: Desk, who: Rater, done: str = "") -> Response:
    """Outputs on which people differ."""
    found = ratings_of(desk).disagreements(who)
    return render(request, "eval_adjudicate.html", title="Settle", items=found, one=None, done=DONE.get(done, ""))


@router.get("/adjudicate/{item}")
def settle_page(item: str, request: Request, desk: Desk, who: Rater) -> Response:
    """One output with everybody's ratings."""
    found = ratings_of(desk).to_settle(who, item)
    return _settle(request, desk, found, Typed.of(found.settled, found.item.plan.shown))


@router.post("/adjudicate/{item}")
async def settle(item: str, request: Request, desk: Desk, who: Rater) -> Response:
    """Keep what holds."""
    typed = Typed.read(dict(await request.form()))

    def keep() -> Response:
        ratings = ratings_of(desk)
        try:
            ratings.settle(who, item, typed.said)
        except InvalidError as error:
            return _settle(request, desk, ratings.to_settle(who, item), typed, problem=str(error))
        return RedirectResponse("/evals/adjudicate?done=settled", 303)

    return await run_in_threadpool(keep)


def _rate(
    request: Request, desk: Runtime, found: Blind | None, typed: Typed, *, problem: str = "", done: str = "", last: str = ""
) -> Response:  # fmt: skip
    return render(
        request, "eval_rate.html", 422 if problem else 200, title="Rate", found=found, typed=typed, problem=problem,
        done=done, last=last if last.startswith("itm_") and last.isascii() else "", rubric=ratings_of(desk).rubric,
        levels=LEVELS, faults=FAULTS,
    )  # fmt: skip


def _settle(request: Request, desk: Runtime, found: Rated, typed: Typed, *, problem: str = "") -> Response:
    with desk.store.read() as conn:
        names = casework.names(conn)
    return render(
        request, "eval_adjudicate.html", 422 if problem else 200, title="Settle", items=(), one=found, typed=typed,
        problem=problem, done="", names=names, rubric=ratings_of(desk).rubric, levels=LEVELS, faults=FAULTS,
    )  # fmt: skip
