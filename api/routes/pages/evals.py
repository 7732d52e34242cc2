"""Pages of the eval runs: the list, one run, two side by side, and what the ratings are worth."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import evalview
from api.policy import Desk, Rater
from api.routes.evals import ratings_of
from api.routes.pages.frame import DONE, render
from api.store import casework

router = APIRouter(prefix="/evals", include_in_schema=False)
Id = Annotated[str, Query(max_length=80)]


@router.get("")
def home(_who: Rater) -> Response:
    """To the runs."""
    return RedirectResponse("/evals/runs", 303)


@router.get("/runs")
def runs_page(request: Request, desk: Desk, who: Rater) -> Response:
    """Every run of this desk, the newest first."""
    return render(request, "eval_runs.html", title="Eval runs", runs=evalview.runs(desk))


@router.get("/runs/{run}")
def run_page(run: str, request: Request, desk: Desk, who: Rater, done: str = "") -> Response:
    """What one run shows."""
    from evals.report_html import fragment  # scipy

    found = evalview.report(desk, run)
    offered = ratings_of(desk).offered(who, run)
    return render(
        request, "eval_run.html", title=f"Run {run}", run=found, shown=fragment(report=found), offered=offered,
        done=DONE.get(done, ""),
    )  # fmt: skip


@router.post("/runs/{run}/rate")
def offer(run: str, desk: Desk, who: Rater) -> Response:
    """Let people rate the outputs of a run."""
    ratings = ratings_of(desk)
    if not ratings.offered(who, run):
        ratings.offer(who, run, evalview.planned(desk, run))
    return RedirectResponse(f"/evals/runs/{run}?done=offered", 303)


@router.get("/compare")
def compare_page(request: Request, desk: Desk, who: Rater, before: Id = "", now: Id = "") -> Response:
    """Two runs side by side: what flipped, then what else differs."""
    from evals.report_html import fragment  # scipy

    lines = evalview.runs(desk)
    before, now = evalview.chosen(lines, before, now)
    shown = fragment(comparison=evalview.compared(desk, before, now)) if before and now else None
    good = [line for line in lines if not line.problem]
    return render(request, "eval_compare.html", title="Compare runs", runs=good, before=before, now=now, shown=shown)


@router.get("/calibration")
def calibration_page(request: Request, desk: Desk, who: Rater) -> Response:
    """How far people agree, and what each one catches."""
    from evals.calibration import calibrate  # scipy
    from evals.stats import ENOUGH

    ratings = ratings_of(desk)
    with desk.store.read() as conn:
        names = casework.names(conn)
    return render(
        request, "eval_calibration.html", title="Calibration", found=calibrate(ratings.all(who)), rubric=ratings.rubric,
        names=names, needed=ENOUGH,
    )  # fmt: skip
