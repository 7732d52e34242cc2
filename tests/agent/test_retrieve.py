from __future__ import annotations

import numpy as np
import pytest

from agent import retrieve
from agent.signals import Signals
from agent.understand import Reader, Understanding
from retrieval.precedent import Found, Query
from tests.fakes.desk import NOW, WordEncoder, escalation, pack

POSTERIOR = {"damaged_or_defective": 0.7, "billing_dispute": 0.2, "chargeback": 0.1}


class Asked:
    """Keeps the query and finds nothing."""

    def search(self, query: Query) -> Found:
        self.query = query
        return Found(note="no precedents because this is a test")


@pytest.fixture(scope="module")
def seen() -> Understanding:
    words = WordEncoder()
    text = (
        "Hello there. The Halo desk lamp LMP-210 of FH-104233 is cracked. "
        "It came with tracking number PW1234567890. Thank you so much."
    )
    return Reader(pack(), Signals(pack()), words, words).read(escalation({"text": text}), NOW)


def ask(seen: Understanding, row: int = 2) -> Query:
    search = Asked()
    found = retrieve.run(search, seen, POSTERIOR, row, case_id="case_1", before=NOW)
    assert found.note == "no precedents because this is a test"
    return search.query


def test_the_query_lies_between_the_message_and_its_issue_sentence(seen: Understanding):
    query = ask(seen)
    whole, issue = seen.sense.english[0], seen.sense.english[2]
    between = (whole + issue) / np.linalg.norm(whole + issue)
    assert query.vector == pytest.approx(between, abs=1e-6)
    assert np.linalg.norm(query.vector) == pytest.approx(1.0, abs=1e-6)
    assert query.vector.dtype == np.float32
    assert query.vector @ issue > whole @ issue


def test_without_an_issue_sentence_the_whole_message_is_asked(seen: Understanding):
    query = ask(seen, row=0)
    assert query.vector == pytest.approx(seen.sense.english[0], abs=1e-6)


def test_order_tracking_and_article_are_exact_keys(seen: Understanding):
    query = ask(seen)
    assert query.keys == ("FH104233", "PW1234567890", "LMP-210")


def test_the_case_itself_and_the_future_are_left_out(seen: Understanding):
    query = ask(seen)
    assert query.exclude == frozenset({"case_1"})
    assert query.before == NOW
    assert query.k == retrieve.SHOWN
    assert query.posterior == POSTERIOR
