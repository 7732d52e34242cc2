"""Eval runs and ratings over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import Field

from api import evalview
from api.policy import Desk, Rater
from api.rating import MOST_SECONDS, Blind, Ratings
from api.reading import storable
from api.routes.examples import PROBLEMS
from api.routes.shapes import Body
from api.wiring import Runtime
from evals.rating_plan import Rated
from evals.ratings import MOST_NOTE, Opinion

router = APIRouter(prefix="/v1/evals", tags=["evals"])
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no such thing."}, **PROBLEMS}
Id = Annotated[str, Query(max_length=80)]


class OpinionBody(Body):
    """What somebody says of an output."""

    dims: Annotated[dict[str, str], Field(max_length=20)]
    """A level for each dimension of the rubric."""
    first_fault: Annotated[str, Field(max_length=64)] = ""
    """The first thing wrong; empty when every level is the best."""
    span: tuple[int, int] | None = None
    """Where it stands in the body, as characters from and to."""
    note: Annotated[str, Field(max_length=MOST_NOTE)] = ""


class RatingBody(OpinionBody):
    """A rating."""

    seconds: Annotated[int, Field(ge=0, le=MOST_SECONDS)] = 0
    """How long it took."""
    supersedes: Annotated[str, Field(max_length=40)] = ""
    """Your own rating of this output that this one replaces."""


def ratings_of(desk: Runtime) -> Ratings:
    """The verbs of rating over this desk."""
    return Ratings(desk.store, desk.clock, desk.settings.prompts)


def _said(body: OpinionBody) -> dict[str, Any]:
    found = body.model_dump(include={"dims", "first_fault", "span", "note"})
    return {**found, "note": storable(body.note)}


@router.get("/runs", responses=PROBLEMS)
def get_runs(desk: Desk, _who: Rater) -> dict[str, Any]:
    """The eval runs of this desk, the newest first."""
    return {"items": [evalview.run_json(line) for line in evalview.runs(desk)]}


@router.get("/runs/{run}", responses=_MISSING)
def get_run(run: str, desk: Desk, _who: Rater) -> dict[str, Any]:
    """What one run shows: figures with intervals, slices, failures."""
    return asdict(evalview.report(desk, run))


@router.get("/compare", responses=_MISSING)
def get_comparison(desk: Desk, _who: Rater, before: Id, now: Id) -> dict[str, Any]:
    """Two runs case by case, what flipped first."""
    return asdict(evalview.compared(desk, before, now))


@router.post("/runs/{run}/ratings", responses=_MISSING)
def post_offer(run: str, desk: Desk, who: Rater) -> dict[str, Any]:
    """Let people rate the outputs of a run; asking twice adds nothing."""
    ratings = ratings_of(desk)
    if ratings.offered(who, run):
        return {"run": run, "added": 0}
    return {"run": run, "added": ratings.offer(who, run, evalview.planned(desk, run))}


@router.get("/ratings/rubric", responses=PROBLEMS)
def get_rubric(desk: Desk, _who: Rater) -> dict[str, Any]:
    """The rubric with the meaning of each level, and its hash."""
    rubric = ratings_of(desk).rubric
    return {
        "hash": rubric.hash,
        "dimensions": {name: d.model_dump() for name, d in rubric.dimensions.items()},
        "faults": {name: told.model_dump() for name, told in rubric.faults.items()},
    }


@router.get("/ratings/next", responses=PROBLEMS)
def get_next(desk: Desk, who: Rater) -> dict[str, Any]:
    """The next output for you to rate, blind; `item` is null when nothing is left."""
    found = ratings_of(desk).next(who)
    return {"item": None} if found is None else _blind_json(found)


@router.post("/ratings/items/{item}", responses=_MISSING)
def post_rating(item: str, body: RatingBody, desk: Desk, who: Rater) -> dict[str, Any]:
    """Rate an output. Rating it again supersedes your rating; nothing is overwritten."""
    done = ratings_of(desk).rate(who, item, _said(body), seconds=body.seconds, supersedes=body.supersedes)
    return {"rating": done}


@router.get("/ratings/disagreements", responses=PROBLEMS)
def get_disagreements(desk: Desk, who: Rater) -> dict[str, Any]:
    """Outputs on which people differ and that you may settle."""
    return {"items": [_rated_json(found) for found in ratings_of(desk).disagreements(who)]}


@router.post("/ratings/items/{item}/adjudication", responses=_MISSING)
def post_adjudication(item: str, body: OpinionBody, desk: Desk, who: Rater) -> dict[str, Any]:
    """Say what holds of an output that people rated."""
    return {"adjudication": ratings_of(desk).settle(who, item, _said(body))}


@router.get("/ratings/calibration", responses=PROBLEMS)
def get_calibration(desk: Desk, who: Rater) -> dict[str, Any]:
    """How far people agree, and what each one catches."""
    from evals.calibration import calibrate  # scipy

    return evalview.calibration_json(calibrate(ratings_of(desk).all(who)))


def _blind_json(found: Blind) -> dict[str, Any]:
    return {"item": found.item, "output": found.shown.model_dump(mode="json"), "done": found.done, "left": found.left}


def _rated_json(found: Rated) -> dict[str, Any]:
    said = [
        {"rater": look.rater, **look.model_dump(mode="json", include=set(Opinion.model_fields))} for look in found.looks
    ]
    return {
        "item": found.item.id, "output": found.item.plan.shown.model_dump(mode="json"), "differ": list(found.differ),
        "ratings": said,
    }  # fmt: skip
