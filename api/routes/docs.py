"""The API described, as a document for programs and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.policy import Anyone
from api.routes.pages import render

router = APIRouter(include_in_schema=False)

Open = Annotated[None, Depends(Anyone("it describes the routes and holds no data"))]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RouteText:
    """One operation as the page prints it; each pair is a name and what it means."""

    method: str
    path: str
    about: str
    parameters: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]
    answers: tuple[tuple[str, str], ...]


@router.get("/openapi.json")
def openapi(request: Request, _: Open) -> Json:
    """The API for programs."""
    described: Json = request.app.openapi()
    return described


@router.get("/docs")
def docs_page(request: Request, _: Open) -> Response:
    """The API for people."""
    return render(request, "docs.html", title="API", routes=list(route_texts(request.app.openapi())))


def route_texts(described: Json) -> Iterator[RouteText]:
    """The operations of an OpenAPI document."""
    paths: Mapping[str, Mapping[str, Json]] = described["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            content = _at(operation, "requestBody", "content", "application/json")
            name = str(_at(content, "schema").get("$ref", "")).rpartition("/")[2]
            fields = _at(described, "components", "schemas", name, "properties")
            given: list[Json] = operation.get("parameters", [])
            yield RouteText(
                method.upper(),
                path,
                str(operation.get("description") or operation.get("summary") or ""),
                tuple((p["name"], str(p.get("description") or "")) for p in given if p["in"] != "path"),
                tuple((field, str(fields[field].get("description") or "")) for field in fields),
                tuple((e["summary"], json.dumps(e["value"], indent=2)) for e in _at(content, "examples").values()),
                tuple((code, str(a.get("description") or "")) for code, a in _at(operation, "responses").items()),
            )


def _at(source: Json, *path: str) -> Json:
    """The object at a path of keys; empty when there is none."""
    for key in path:
        source = source.get(key) or {}
    return source
