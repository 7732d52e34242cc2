"""No text, however odd, breaks a reader: it is read, or refused as bad input."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.entities import extract
from agent.errors import BadInput
from agent.intake import parse
from agent.language import detect
from agent.orders import read_dispute, read_order
from agent.redact import redact, restore
from agent.sentences import sentences
from agent.strip import segments

NOW = datetime(2026, 11, 11, 9, 30, tzinfo=UTC)
PIECES = st.sampled_from(
    ["order no. ", "#104233", "€ 1.299,50", "31/02/2026", "29.2.", "in 3 Tagen", "end of the month", " ago", "Hi ", "\n> ", "\n-- \n",
     "On 3 Nov wrote:\n", "From: a\n", "Best,\nAnna", "DE89 3704", "4111 1111 1111 1111", "\u200b", "\ud83d", "<b>", "</p>", "<!--", "1Z",
     "999 months ago", "+49 ", "@", "Halo lamp", "Monday", " ", "\n", "9" * 30, "in 999 weeks", "99.99.9999", "vor 500 Monaten"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=80), st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=12).map("".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "items", "price", "total", "currency", "refunds", "transactions", "amount", "created_at", "name", "status",
                         "tracking_id", "fulfillments", "customer", "quantity", "order", "options", "payment_history"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
FEW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(TEXTS)
def test_any_text_is_read_with_offsets_that_fit_it(raw: str) -> None:
    with contextlib.suppress(BadInput):
        case = parse({"text": raw}, now=NOW, case_id="case_1")
        found = extract(case.messages, store_products=[("LMP-210", "Halo desk lamp")], order_id_format="FH-######")
        text = case.messages[0].text
        for e in found.all:
            assert text[e.span.start : e.span.end] == e.text
            assert e.text
        taken = [i for e in found.all for i in range(e.span.start, e.span.end)]
        assert len(taken) == len(set(taken))
        parts = segments(text)
        assert "".join(text[s.start : s.end] for s in parts) == text
        for start, end in sentences(text):
            assert text[start:end].strip() == text[start:end] != ""
        assert 0 <= detect(text).confidence <= 1
        hidden = redact(text, found, ids=True)
        assert not set(hidden.tags) & set(re.findall(r"\[\w+\]", restore(hidden.text, hidden.tags)))


@FEW
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60), st.dictionaries(st.text(max_size=8), JSON, max_size=3)))
def test_any_payload_becomes_a_case_or_bad_input(payload: str | bytes | dict[str, object]) -> None:
    with contextlib.suppress(BadInput):
        parse(payload, now=NOW, case_id="case_1")


@FEW
@given(
    st.dictionaries(
        st.sampled_from(["order", "items", "total", "refunds", "fulfillments", "created_at", "id", "currency"]),
        JSON,
        max_size=5,
    )
)
def test_any_object_is_read_as_an_order_and_a_dispute(source: dict[str, object]) -> None:
    assert read_order(source).raw is source
    assert read_dispute(source).raw is source
