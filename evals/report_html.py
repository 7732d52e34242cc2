"""A run, a gate's verdict or a comparison as one HTML file: nothing is loaded from elsewhere and nothing runs in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evals import plain, svg
from evals.compare import Comparison
from evals.report import Report
from evals.verdict import Result

_TEMPLATES: Final = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "clean": plain.clean, "line": plain.line, "percent": plain.percent, "span": plain.span, "points": plain.points,
        "figure": plain.figure, "words": lambda name: plain.line(str(name)).replace("_", " "),
    }  # fmt: skip
    return found


def html(
    title: str, report: Report | None = None, result: Result | None = None, comparison: Comparison | None = None
) -> str:
    """The page: the verdict first, then what flipped, then the figures; each part only where it is given."""
    css = Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    page = _environment().get_template("report.html")
    return page.render(title=plain.line(title), css=css, **_parts(report, result, comparison))


def fragment(report: Report | None = None, comparison: Comparison | None = None) -> Markup:
    """What stands below the title of that page, to be shown within another one."""
    part = _environment().get_template("parts.html")
    return Markup(part.render(**_parts(report, None, comparison)))  # noqa: S704 - the template escapes


def _parts(report: Report | None, result: Result | None, comparison: Comparison | None) -> dict[str, Any]:
    plots = {"bar": svg.bar, "reliability": svg.reliability, "coverage": svg.coverage}
    return {"report": report, "result": result, "comparison": comparison, **plots}
