from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.case import Message
from agent.entities import extract, lot_key

WEDNESDAY = datetime(2026, 11, 11, 9, 30, tzinfo=UTC)


def read(text: str, language: str = "en", kind: str = "lot") -> list[str]:
    found = extract([Message(text, WEDNESDAY)], order_id_format="FH-######", language=language)
    return [e.value for e in found.all if e.kind == kind]


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Lot VB-2609 is stamped on the base"), ("en", "lot no. VB2609"), ("en", "the lot number on the underside is VB-2609"),
        ("en", "batch: vb 2609."), ("en", "it says LOT#VB2609 on it"), ("en", "Batch code reads “VB-2609”"), ("en", "batch VB/2609, if you need it"),
        ("de", "Charge VB-2609"), ("de", "Chargennummer unten am Boden lautet VB 2609"), ("de", "Los-Nr. VB2609"), ("de", "die Chargen-Nr: VB2609"),
        ("de", "Lot VB2609 steht drauf"), ("de", "Ch.-B.: VB2609"), ("fr", "Numéro de lot : VB2609."), ("fr", "lot n° VB-2609"), ("fr", "N° de lot VB2609"),
        ("fr", "le numéro de lot indiqué dessous est VB-2609"), ("es", "lote VB-2609"), ("es", "pone lote: vb2609"), ("es", "el número de lote es VB2609"),
        ("es", "nº de lote VB2609"), ("it", "Lotto VB 2609"), ("it", "numero di lotto VB-2609"), ("it", "n. lotto: VB2609"),
        ("nl", "Partijnummer VB2609"), ("nl", "partij VB-2609"), ("nl", "batchnummer is VB2609"), ("nl", "lotnummer onderop de bodem: VB2609"),
        ("pt", "lote n.º VB2609"), ("pt", "No fundo diz lote VB-2609"), ("pt", "número do lote: VB2609"),
    ],
)  # fmt: skip
def test_a_lot_number_is_read_in_every_language(language: str, written: str) -> None:
    assert read(f"{written}\n", language) == ["VB2609"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "We ordered a lot, 24 mugs in all"), ("en", "a batch of 24 mugs"), ("en", "Thanks a lot 😀 order FH-104233"),
        ("en", "You charge 104233 for it"), ("en", "the charge 45.00 on my card"), ("en", "the lot cost 310 pounds"), ("en", "What is the lot number of order FH-104233?"),
        ("de", "ein Los mit 200 Stück"), ("de", "los 24.12. geht es"), ("fr", "un lot de 4 tasses"), ("fr", "le lot 310 €"),
        ("es", "los 310 euros"), ("es", "un lote de 12 copas"), ("it", "il lotto 12/11/2026"), ("nl", "een partij van 200 stuks"), ("pt", "lote de 12 peças"),
        ("en", "lot best before 12.11.2026"),
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_lot_is_none(language: str, text: str) -> None:
    assert read(text, language) == []


def test_several_lots_in_a_row_are_all_read() -> None:
    assert read("Lots VB-2609 and VB-2610, both leak. lot 26/0418, lot 26/0419") == [
        "VB2609",
        "VB2610",
        "260418",
        "260419",
    ]


def test_a_lot_number_stands_where_it_is_written() -> None:
    text = "It leaks. Batch VB-2609."
    (lot,) = (e for e in extract([Message(text, WEDNESDAY)]).all if e.kind == "lot")
    assert text[lot.span.start : lot.span.end] == lot.text == "VB-2609"


def test_a_lot_of_six_figures_is_no_order() -> None:
    assert read("The pan cracked, lot 104233.") == ["104233"]
    assert read("The pan cracked, lot 104233.", kind="order_id") == []


def test_an_order_keeps_its_number_beside_a_lot() -> None:
    assert read("Order FH-104233, lot VB-2609", kind="order_id") == ["FH-104233"]


@pytest.mark.parametrize("written", ["VB-2609", "vb 2609", "VB/26O9", "L VB2609".removeprefix("L "), "VB.2609"])
def test_spellings_of_one_lot_share_a_key(written: str) -> None:
    assert lot_key(written) == "VB2609"


def test_the_mark_l_before_figures_is_no_part_of_a_lot() -> None:
    assert lot_key("L26/0418") == lot_key("26/0418") == lot_key("LOT 260418") == "260418"
    assert lot_key("LW2231") != lot_key("2231")
