import numpy as np
import pytest

from agent.case import Escalation
from agent.small_talk import SmallTalk, files
from agent.triage import Prior, decide
from agent.understand import Reader
from retrieval.precedent import Vectors
from tests.fakes.desk import PROMPTS, WordEncoder, escalation, pack, toy_deps

WORDS = WordEncoder()
TALK = SmallTalk(
    WORDS.encode(["Lovely weather today.", "What lovely weather today."]),
    WORDS.encode(["The lamp arrived broken.", "My lamp arrived broken.", "The broken lamp arrived."]),
)


def vectors(*sentences: str) -> Vectors:
    return WORDS.encode(sentences)


def judged(text: str) -> str:
    reader: Reader = toy_deps().reader.leaving_out(TALK)
    case: Escalation = escalation({"text": text})
    return reader.read(case, case.received_at).sense.text


def test_small_talk_is_left_out_at_both_ends_and_kept_between():
    talk, matter = "Lovely weather today.", "The lamp arrived broken."
    assert TALK.kept(vectors(talk, talk, matter, talk, matter, talk)) == range(2, 5)


def test_a_message_of_nothing_but_small_talk_is_kept_whole():
    assert TALK.kept(vectors("Lovely weather today.", "What lovely weather today.")) == range(2)


@pytest.mark.parametrize("empty", [SmallTalk(WORDS.encode([]), TALK.matter), SmallTalk(TALK.talk, TALK.matter[:2])])
def test_without_examples_nothing_is_small_talk(empty: SmallTalk):
    assert empty.kept(vectors("Lovely weather today.", "The lamp arrived broken.")) == range(2)


def test_the_text_that_is_judged_has_no_small_talk_and_evidence_still_has_its_place():
    text = "Lovely weather today. The lamp arrived broken. What lovely weather today."
    assert judged(text) == "The lamp arrived broken."
    case = escalation({"text": text})
    seen = toy_deps().reader.leaving_out(TALK).read(case, case.received_at)
    assert [text[s.start : s.end] for s in seen.spans][1] == "The lamp arrived broken."
    assert len(seen.sense.english) == 1 + len(seen.spans) == len(seen.sense.multilingual)
    assert np.allclose(seen.sense.multilingual[0], WORDS.encode(["The lamp arrived broken."])[0])


def test_each_language_of_the_desk_has_its_small_talk():
    assert {path.stem for path in files(PROMPTS)} == set(pack().store.languages)
    assert all(len(path.read_text(encoding="utf-8").splitlines()) >= 40 for path in files(PROMPTS))


def test_a_text_unlike_any_that_taught_is_a_persons_and_claims_little():
    case = escalation({"text": "Our choir rehearses on Tuesdays."})
    seen = toy_deps().reader.read(case, case.received_at)
    sure = {"billing_dispute": 0.9, "other_unclear": 0.1}, {"S2": 0.9, "S4": 0.1}
    strange, known = (decide(pack(), seen, Prior(*sure, 0.0, familiar=f)) for f in (False, True))
    assert (strange.issue_type, strange.severity, strange.needs_human) == ("other_unclear", "S4", True)
    assert "learned" in strange.needs_human_reason
    assert max(strange.confidence.values()) <= 0.5
    assert (known.issue_type, known.severity, known.needs_human) == ("billing_dispute", "S2", False)
