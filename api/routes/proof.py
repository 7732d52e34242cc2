"""Proof: what the desk changed against the baseline, for programs and on a page; and how escalations are handled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from api import measureview, measuring, processview
from api.errors import InvalidError
from api.policy import Desk, Rater
from api.routes.examples import PROBLEMS
from api.routes.pages import render
from api.wiring import Runtime
from evals.observe import BY_ID
from evals.process import View
from evals.process_svg import draw
from evals.use import MEANS

router = APIRouter(tags=["proof"])

CHOICES: Final = ("issue_type", "severity", "team", "engine", "prompts")


@router.get("/v1/measures", responses=PROBLEMS)
def get_measures(request: Request, _who: Rater) -> dict[str, Any]:
    """Figures before and now with their intervals, and the verdicts that are due. Without a baseline there is no figure."""
    return measuring.as_json(_measures(request).told())


@router.get("/v1/process", responses=PROBLEMS)
def get_process(
    desk: Desk, _who: Rater, by: View = "states", issue_type: str = "", severity: str = ""
) -> Mapping[str, Any]:
    """Paths between states, teams or people, and where the time goes."""
    return processview.as_json(_process(desk, by, issue_type, severity))


@router.get("/measures", include_in_schema=False)
def measures_page(
    request: Request, _who: Rater, measure: str = "cycle_time", by: Annotated[str, Query(max_length=40)] = "issue_type"
) -> Response:
    """The measures for people."""
    told = _measures(request).told()
    measure, by = measure if measure in BY_ID else "cycle_time", by if by in CHOICES else "issue_type"
    return render(
        request, "measures.html", title="Measures", told=told, rows=measureview.rows_of(told), means=MEANS,
        parts=measureview.parts_of(told), groups=measureview.groups_of(told, measure, by), measure=BY_ID[measure], by=by,
        measures=list(BY_ID.values()), choices=measureview.labels(CHOICES), width=measureview.WIDTH, height=measureview.HEIGHT,
    )  # fmt: skip


@router.get("/measures/process.svg", include_in_schema=False)
def process_picture(desk: Desk, _who: Rater, by: View = "states", issue_type: str = "", severity: str = "") -> Response:
    """The process map as a picture."""
    svg = draw(_process(desk, by, issue_type, severity), f"How escalations are handled, by {by}")
    return Response(svg, media_type="image/svg+xml")


def _measures(request: Request) -> measuring.Measuring:
    found: measuring.Measuring = request.app.state.measuring
    return found


def _process(desk: Runtime, by: View, issue_type: str, severity: str) -> processview.ProcessMap:
    pack = desk.texts.pack
    for given, known, what in ((issue_type, pack.issue_types, "issue type"), (severity, pack.severities, "severity")):
        if given and given not in known:
            raise InvalidError(f"There is no {what} {given[:60]!r}; use one of {', '.join(known)}.")
    return processview.read(desk, by, issue_type=issue_type, severity=severity)
