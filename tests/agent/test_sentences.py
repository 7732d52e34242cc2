from __future__ import annotations

import pytest

from agent.sentences import sentences


def cut(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It broke. Send another!", ["It broke.", "Send another!"]),
        ("Dr. Brown paid 12.50 EUR, i.e. half. Why?", ["Dr. Brown paid 12.50 EUR, i.e. half.", "Why?"]),
        (
            "Bestellnr. 104233 vom 3. November fehlt. Wo ist sie?",
            ["Bestellnr. 104233 vom 3. November fehlt.", "Wo ist sie?"],
        ),
        ("missing:\n- the lid\n- two screws", ["missing:", "- the lid", "- two screws"]),
        ("where is my parcel\nordered last week\nhello??", ["where is my parcel", "ordered last week", "hello??"]),
        ("no space!Really", ["no space!", "Really"]),
        ("  \n\n ", []),
        ("👍", ["👍"]),
    ],
)
def test_a_text_is_split_at_its_sentences(text: str, parts: list[str]) -> None:
    assert cut(text) == parts


def test_a_line_that_was_wrapped_by_a_mail_program_is_one_sentence() -> None:
    text = "I have been waiting for this parcel since the third of\nNovember and nobody told me anything about where it might\nbe now."
    assert cut(text)[-1].endswith("be now.")
    assert len(cut(text)) <= 2


def test_a_run_without_an_end_is_cut_at_about_three_hundred_characters() -> None:
    pieces = cut("and then " * 200)
    assert len(pieces) > 5
    assert max(map(len, pieces)) <= 300


def test_only_the_asked_range_is_split() -> None:
    text = "One. Two. Three."
    assert [text[a:b] for a, b in sentences(text, 5, 9)] == ["Two."]
