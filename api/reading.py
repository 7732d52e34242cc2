"""Bytes from outside into an escalation in its wire form, checked once, here, for every way in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, cast

from agent import intake
from agent.errors import BadInput

MAX_BODY: Final = 1_000_000
"""Bytes of one request."""
_NOT_STORED: Final = str.maketrans({"\x00": "\ufffd"})
_FIX: Final = 'send one JSON object like {"text": "My order FH-104233 arrived broken"}'


def escalation(body: bytes, *, now: datetime, plain: bool = False) -> dict[str, Any]:
    """The escalation in `body` as plain JSON that the store can keep.

    Args:
        body: JSON in UTF-8.
        now: the present instant, for the check of dates.
        plain: the body is the customer's own words instead of JSON.

    Raises:
        BadInput: it cannot become an escalation; the message names the field and the way out.

    """
    text = text_of(body)
    payload = {"text": storable(text)} if plain else json_object(text)
    intake.parse(payload, now=now, case_id="case")
    return dict(payload)


def text_of(line: bytes) -> str:
    """The text of raw bytes.

    Raises:
        BadInput: they are no text.

    """
    return intake.decode(line, [])


def json_object(text: str) -> Mapping[str, Any]:
    """One JSON object without numbers and characters that no database can keep.

    Raises:
        BadInput: it is not a JSON object.

    """
    try:
        value = storable(json.loads(text.lstrip("\ufeff"), parse_constant=_refuse))
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise BadInput(f"is not valid JSON at {at} ({error.msg})", field="body", fix=_FIX) from None
    except (ValueError, RecursionError):
        fix = "send one JSON object of ordinary depth and numbers"
        raise BadInput("cannot be read as JSON", field="body", fix=fix) from None
    if not isinstance(value, dict):
        raise BadInput("is not a JSON object", field="body", fix=_FIX)
    return cast("dict[str, Any]", value)


def storable(value: Any) -> Any:
    """`value` with lone surrogates and NUL replaced.

    Raises:
        ValueError: a number is not finite.

    """
    if isinstance(value, str):
        return value.translate(_NOT_STORED).encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(k): storable(v) for k, v in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [storable(v) for v in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(str(value))
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
