from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.case import Customer, Message
from agent.entities import extract, order_key

WEDNESDAY = datetime(2026, 11, 11, 9, 30, tzinfo=UTC)
SHOP = (
    ("TEN-201", "Larkspur 3-person tent"), ("TEN-405", "Larkspur 5-person tent"), ("LMP-210", "Halo desk lamp"),
    ("KTL-330", "Quay electric kettle"), ("DRS-040", "Ivy linen dress"), ("HUB-100", "Beacon smart home hub"),
    ("LCK-250", "Beacon smart lock"), ("PLT-012", "Dune dinner set (12 pieces)"),
)  # fmt: skip


def read(text: str, kind: str, language: str = "en", style: str = "FH-######", **more: object) -> list[str]:
    found = extract([Message(text, WEDNESDAY)], store_products=SHOP, order_id_format=style, language=language, **more)  # type: ignore[arg-type]
    return [e.value for e in found.all if e.kind == kind]


@pytest.mark.parametrize(
    "written",
    ["FH-104233", "fh104233", "FH 104233", "#104233", "#FH-104233", "order 104233", "order no. 104233", "order number is 104233", "Order #104233",
     "Bestellnr. 104233", "Bestellung Nr. 104233", "Auftrag 104233", "commande n° 104233", "pedido nº 104233", "ordine n. 104233",
     "bestelling 104233", "encomenda 104233", "its 104233 again", "encomenda nº104233", "commande 104 233", "cde FH104233", "n. ordine 104233"],
)  # fmt: skip
def test_every_spelling_of_an_order_id_gives_the_store_s_own(written: str) -> None:
    assert read(f"my {written}, please help", "order_id") == ["FH-104233"]


@pytest.mark.parametrize(
    ("written", "value"),
    [("#W2378156", "W2378156"), ("order W2378156", "W2378156"), ("Bestellung 4471-22", "4471-22"), ("order 104233", "104233"),
     ("305-1234567-1234567", "305-1234567-1234567"), ("order: AB-9921003", "AB-9921003"), ("pedido A-20931-XK", "A-20931-XK"), ("ordine 2026/118", "2026/118"), ("Ordine VL-288", "VL-288"),
     ("it, RW-60218", "RW-60218")],
)  # fmt: skip
def test_a_store_without_a_format_keeps_ids_as_written(written: str, value: str) -> None:
    assert read(f"Where is {written}?", "order_id", style="") == [value]


@pytest.mark.parametrize(
    "text",
    ["ticket #88213 is open", "invoice 2026118", "RMA 55120", "customer number 448812", "Kundennummer 448812", "I ordered 2 tents in 2026",
     "order total 1499.00 EUR", "zip 191220", "the invoices are INV-30981 and INV-30982", "Factura nº 2026/118", "order FH-10", "my order from 2024", "order 3 days ago", "I was born in 1984"],
)  # fmt: skip
def test_other_numbers_are_no_order(text: str) -> None:
    assert read(text, "order_id") == []


def test_a_list_of_orders_is_read_to_its_end() -> None:
    assert read("orders 104401, 104402 and 104403 are late", "order_id") == ["FH-104401", "FH-104402", "FH-104403"]
    assert read("commandes FH-104401 et 104402", "order_id", "fr") == ["FH-104401", "FH-104402"]
    assert read("FH-104401 and 2026 others", "order_id") == ["FH-104401"]


def test_a_bare_number_is_an_order_only_when_the_case_names_no_other() -> None:
    late = Message("its 104233 again", WEDNESDAY)
    named = Message("order FH-104240 is late", WEDNESDAY)
    staff = Message("104251", WEDNESDAY, author="staff")
    assert extract([late, staff], order_id_format="FH-######").values("order_id") == ("FH-104233",)
    assert extract([late, named], order_id_format="FH-######").values("order_id") == ("FH-104240",)


def test_two_spellings_of_one_id_share_a_key() -> None:
    assert order_key("#fh-104233") == order_key("FH 104233") == "FH104233"


@pytest.mark.parametrize(
    ("text", "value", "carrier"),
    [
        ("1Z999AA10123456784", "1Z999AA10123456784", "UPS"),
        ("USPS 9400 1118 9922 3197 4284 90", "9400111899223197428490", "USPS"),
        ("AB123456785GB", "AB123456785GB", "Royal Mail"),
        ("AB 123 456 789 DE", "AB123456789DE", "DHL"),
        ("JJD014600006281230704", "JJD014600006281230704", "DHL"),
        ("00340434161094015902", "00340434161094015902", "DHL"),
        ("tracking number is 357962501027", "357962501027", ""),
        ("Sendungsnummer: 15501234567890 (DPD)", "15501234567890", "DPD"),
        ("GLS 40112233445", "40112233445", "GLS"),
        ("Evri H01HYA0012345678", "H01HYA0012345678", "Evri"),
        ("Hermes H1012345678901234567", "H1012345678901234567", "Hermes"),
        ("FedEx parcel 449044304137821", "449044304137821", "FedEx"),
        ("code JVGL0628471930551264", "JVGL0628471930551264", "DHL"),
        ("GLS pakketnummer 61038471925", "61038471925", "GLS"),
        ("A GLS (volume 60192837465)", "60192837465", "GLS"),
        ("OD582047310BR", "OD582047310BR", "Correios"),
    ],
)
def test_a_tracking_number_is_read_with_its_carrier(text: str, value: str, carrier: str) -> None:
    found = extract([Message(f"The parcel, {text}, is lost.", WEDNESDAY)]).of("tracking_number")
    assert [(e.value, e.detail) for e in found] == [(value, carrier)]


@pytest.mark.parametrize(
    ("text", "day", "language"),
    [
        ("2026-11-03", "2026-11-03", "en"), ("03/11/2026", "2026-11-03", "en"), ("3.11.2026", "2026-11-03", "de"), ("3.11.", "2026-11-03", "de"),
        ("3 November", "2026-11-03", "en"), ("Nov 3rd", "2026-11-03", "en"), ("3rd of November 2025", "2025-11-03", "en"), ("3. Nov.", "2026-11-03", "de"),
        ("3 novembre", "2026-11-03", "fr"), ("1er novembre", "2026-11-01", "fr"), ("3 de noviembre", "2026-11-03", "es"), ("3 de out", "2026-10-03", "pt"),
        ("28 December", "2026-12-28", "en"), ("yesterday", "2026-11-10", "en"), ("vorgestern", "2026-11-09", "de"), ("3 days ago", "2026-11-08", "en"),
        ("vor zwei Wochen", "2026-10-28", "de"), ("il y a 3 jours", "2026-11-08", "fr"), ("hace una semana", "2026-11-04", "es"),
        ("tre giorni fa", "2026-11-08", "it"), ("3 dagen geleden", "2026-11-08", "nl"), ("há 3 dias", "2026-11-08", "pt"),
        ("last Friday", "2026-11-06", "en"), ("letzten Freitag", "2026-11-06", "de"), ("two months ago", "2026-09-11", "en"),
        ("the day before yesterday", "2026-11-09", "en"), ("on Tuesday, 3 November", "2026-11-03", "en"), ("Dienstag, den 3. November", "2026-11-03", "de"),
        ("on the 4th", "2026-11-04", "en"), ("am 4. und", "2026-11-04", "de"), ("le 4", "2026-11-04", "fr"), ("el martes 3", "2026-11-03", "es"),
        ("el día 4", "2026-11-04", "es"), ("il 4", "2026-11-04", "it"), ("op de 4e", "2026-11-04", "nl"), ("no dia 4", "2026-11-04", "pt"),
        ("28-10", "2026-10-28", "nl"), ("28/10", "2026-10-28", "it"), ("7-11-'26", "2026-11-07", "nl"), ("stamattina", "2026-11-11", "it"),
        ("esta mañana", "2026-11-11", "es"), ("vanochtend", "2026-11-11", "nl"), ("heute morgen", "2026-11-11", "de"), ("l'altro ieri", "2026-11-09", "it"),
        ("antes de ontem", "2026-11-09", "pt"), ("na segunda passada", "2026-11-09", "pt"), ("na 6ª feira", "2026-11-06", "pt"),
        ("il y a quinze jours", "2026-10-27", "fr"), ("3 dagen terug", "2026-11-08", "nl"), ("lundi dernier", "2026-11-09", "fr"),
        ("received on 5 May", "2026-05-05", "en"), ("the week of Thursday week", "2026-11-19", "en"),
    ],
)  # fmt: skip
def test_a_day_is_resolved_against_the_message(text: str, day: str, language: str) -> None:
    assert read(f"It came {text}, broken.", "date", language) == [day]


@pytest.mark.parametrize(
    ("text", "day", "why", "language"),
    [
        ("I need an answer by Friday.", "2026-11-13", "by", "en"),
        ("Please reply before 20 November.", "2026-11-20", "before", "en"),
        ("The wedding is on Saturday.", "2026-11-14", "wedding", "en"),
        ("Our flight leaves tomorrow.", "2026-11-12", "flight", "en"),
        ("The court hearing is set for 3 December 2026.", "2026-12-03", "court", "en"),
        ("Evidence is due by 2026-11-20.", "2026-11-20", "bank", "en"),
        ("Please answer within 48 hours.", "2026-11-13", "within", "en"),
        ("I need it for Saturday.", "2026-11-14", "for", "en"),
        ("I want this solved by the end of the month.", "2026-11-30", "by", "en"),
        ("Bitte antworten Sie bis Freitag.", "2026-11-13", "bis", "de"),
        ("Die Hochzeit ist übermorgen.", "2026-11-13", "wedding", "de"),
        ("Einreichungsfrist für Nachweise: 20.11.2026", "2026-11-20", "einreichungsfrist", "de"),
        ("Le mariage est samedi.", "2026-11-14", "wedding", "fr"),
        ("Lo necesito antes del 20 de noviembre.", "2026-11-20", "antes del", "es"),
        ("Rispondete entro il 20 novembre.", "2026-11-20", "entro", "it"),
        ("Het examen is vrijdag.", "2026-11-13", "exam", "nl"),
        ("Preciso disso até 20 de novembro.", "2026-11-20", "até", "pt"),
        ("Si no me contestan en 48 horas, reclamo.", "2026-11-13", "within", "es"),
        ("Je veux une réponse sous 48h.", "2026-11-13", "within", "fr"),
        ("Vi chiedo di rispondere entro trenta giorni.", "2026-12-11", "within", "it"),
        ("Para fin de mes quiero esto cerrado.", "2026-11-30", "para", "es"),
        ("Mi servono entro e non oltre il 20/11/2026.", "2026-11-20", "entro e non oltre il", "it"),
        ("Mijn dochter is zaterdag a.s. jarig.", "2026-11-14", "birthday", "nl"),
        ("De bruiloft is volgende week vrijdag.", "2026-11-20", "wedding", "nl"),
        ("Ik vertrek de 15e op vakantie.", "2026-11-15", "travel", "nl"),
        ("O meu filho faz anos no domingo.", "2026-11-15", "birthday", "pt"),
        ("Viajo depois de amanhã com o power bank.", "2026-11-13", "travel", "pt"),
        ("Domani parto per le ferie.", "2026-11-12", "travel", "it"),
        ("El funeral es pasado mañana.", "2026-11-13", "funeral", "es"),
        ("Geld terug voor het einde van de maand.", "2026-11-30", "voor", "nl"),
        ("Date limite de dépôt : 28/04", "2027-04-28", "date limite", "fr"),
        ("Het moet er voor pakjesavond zijn.", "2026-12-05", "voor", "nl"),
    ],
)
def test_a_day_that_binds_is_a_deadline_and_says_why(text: str, day: str, why: str, language: str) -> None:
    found = extract([Message(text, WEDNESDAY)], language=language).of("deadline")
    assert [(e.value, e.detail) for e in found] == [(day, why)]


@pytest.mark.parametrize(
    "text",
    ["It should have been here by 6 November.", "The wedding was last Saturday.", "I sent it back within 14 days.", "It was due Friday.",
     "If I see no money tomorrow my bank will take it back.", "I was away until the 30th.", "It lay there until this morning."],
)  # fmt: skip
def test_a_day_that_is_over_or_binds_nobody_is_no_deadline(text: str) -> None:
    assert read(text, "deadline") == []


@pytest.mark.parametrize(
    ("text", "language"),
    [("Levering was toegezegd voor vrijdag.", "nl"), ("Votre page annonce un remboursement sous 14 jours.", "fr"),
     ("Sabato mi sposo? No, è mercoledì.", "it"), ("Het zou uiterlijk vandaag komen.", "nl")],
)  # fmt: skip
def test_what_a_shop_promises_or_the_calendar_says_binds_no_customer(text: str, language: str) -> None:
    assert "2026-11-11" not in read(text, "deadline", language)
    assert not {"2026-11-13", "2026-11-25"} & set(read(text, "deadline", language))


def test_days_that_share_a_month_are_all_read() -> None:
    assert read("Vi ho scritto il 2, il 4 e il 6 novembre.", "date", "it") == ["2026-11-02", "2026-11-04", "2026-11-06"]
    assert read("On the 3rd and the 6th of November", "date") == ["2026-11-03", "2026-11-06"]


def test_a_weekday_and_its_date_are_one_day_even_where_they_disagree() -> None:
    assert read("Op dinsdag 28 april kwam het.", "date", "nl") == ["2026-04-28"]
    assert read("Sent: Friday, September 19, 2025", "date") == ["2025-09-19"]


@pytest.mark.parametrize(
    "text",
    [
        "You may call me",
        "in 3 boxes",
        "for 3 weeks now",
        "guten Morgen",
        "am Morgen",
        "on Black Friday",
        "size 12/14",
        "9.5 kg",
    ],
)
def test_words_that_look_like_days_are_none(text: str) -> None:
    assert read(text, "date", "de" if "orgen" in text else "en") == []


@pytest.mark.parametrize(
    ("text", "language"),
    [("Le conciliateur reçoit le mardi", "fr"), ("todos los martes", "es"), ("a segunda nota", "pt"), ("na segunda vez", "pt"),
     ("un cadeau de Noël", "fr"), ("una nota de 9/10", "es"), ("maat 36-38", "nl"), ("8-12 dagen", "nl"), ("parou em 20h58", "pt"),
     ("dia 5 útil", "pt"), ("le 38 taille petit", "fr"), ("au 12, rue des Lilas", "fr"), ("de 2e keer", "nl"), ("el 15 por ciento", "es")],
)  # fmt: skip
def test_habits_ordinals_and_sizes_are_no_days(text: str, language: str) -> None:
    assert read(text, "date", language) == []


def test_dollars_alone_make_the_month_come_first() -> None:
    assert read("charged $45 on 11/03/2026", "date") == ["2026-11-03"]
    assert read("charged £45 on 11/03/2026", "date") == ["2026-03-11"]
    assert read("on 11/03/2026", "date", default_region="US") == ["2026-11-03"]


def test_a_day_above_twelve_decides_for_the_other_dates_of_the_text() -> None:
    assert read("from 10/25/2026 to 11/03/2026", "date") == ["2026-10-25", "2026-11-03"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The Halo desk lamp flickers", ["Halo desk lamp"]), ("my desk lamps flicker", ["Halo desk lamp"]), ("LMP-210 flickers", ["Halo desk lamp"]),
        ("the Halo flickers", ["Halo desk lamp"]), ("das Quay ist undicht", ["Quay electric kettle"]), ("the 5 person tent leaks", ["Larkspur 5-person tent"]),
        ("my Larkspur leaks", ["Larkspur"]), ("Your Quay", ["Quay electric kettle"]), ("a cold dinner", []), ("what a tent", []), ("the beacon hub", ["Beacon smart home hub"]),
    ],
)  # fmt: skip
def test_products_are_known_by_name_part_and_sku(text: str, names: list[str]) -> None:
    if text == "the beacon hub":
        text = "the Beacon hub"
    assert read(text, "product") == names


def test_a_person_is_never_a_product() -> None:
    assert read("My name is Ivy Harbour and I wait.\nRegards, Ivy", "product") == []
    assert read("C'est pour ma fille Ivy, merci", "product", "fr") == []


def test_a_line_behind_a_foreign_noun_is_the_product() -> None:
    assert read("il manquait la bouilloire Quay", "product", "fr") == ["Quay electric kettle"]


def test_the_store_s_own_name_is_no_product_line() -> None:
    shop = (*SHOP, ("CIR-012", "Fernhill Circle membership"), ("GFT-000", "Fernhill gift card"))
    found = extract([Message("my Fernhill login", WEDNESDAY)], store_products=shop, store_names=["Fernhill"])
    assert found.of("product") == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My name is Rosa Lindholm.", ["Rosa Lindholm"]), ("Mein Name ist Jonas Weidner, hallo", ["Jonas Weidner"]), ("my name is jayanthi", ["jayanthi"]),
        ("Je m'appelle Luc Moreau et", ["Luc Moreau"]), ("Hi Marta,\nit broke", ["Marta"]), ("I spoke to Kevin today", ["Kevin"]),
        ("It broke.\n\nKind regards\nRosa Lindholm", ["Rosa Lindholm"]), ("It broke.\nRosa Lindholm\nPortree", ["Rosa Lindholm"]),
        ("Frau von der Leyen rief an", []), ("Dear Sir or Madam, it broke", []), ("Hi Team, it broke", []), ("I'm Furious. Really", []),
        ("Thanks, Order 104233", []), ("Anna here, again", ["Anna"]), ("Geachte heer Mulder,\nhallo", ["Mulder"]), ("La sig.ra Bianchi ha detto", ["Bianchi"]), ("mi mujer Lucía llamó", ["Lucía"]),
        ("Karim du service client", ["Karim"]), ("A nombre de Miguel Ángel Ortega", ["Miguel Ángel Ortega"]), ("cc je suis Emma Roussel, voilà", ["Emma Roussel"]),
        ("It broke.\n\nRosa Lindholm\n0161 496 0143\nLeeds", ["Rosa Lindholm"]), ("Who in the name of God is that?", []), ("je suis Furieux, oui", []),
    ],
)  # fmt: skip
def test_names_of_people_are_read(text: str, names: list[str]) -> None:
    assert read(text, "name") == names


def test_the_customer_of_the_record_is_found_wherever_he_stands() -> None:
    assert read("it is for lindholm? no, Lindholm", "name", customer=Customer(name="Rosa Lindholm")) == ["Lindholm"]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("card 4111 1111 1111 1111 was used", "card_number", "4111111111111111"),
        ("card ending in 4417", "card_last4", "4417"), ("Karte **** **** **** 4417", "card_last4", "4417"), ("die letzten vier Ziffern 4417", "card_last4", "4417"),
        ("to DE89 3704 0044 0532 0130 00 please", "iban", "DE89370400440532013000"), ("GB29NWBK60161331926819 is mine", "iban", "GB29NWBK60161331926819"),
        ("mail Rosa@Post.example.", "email", "rosa@post.example"), ("see https://a.example/b?c=1, thanks", "url", "https://a.example/b?c=1"),
        ("la carta che finisce con 4417", "card_last4", "4417"), ("tarjeta acabada en 4417", "card_last4", "4417"),
        ("in Via Garibaldi 22/A, 40121 Bologna", "address", "Via Garibaldi 22/A, 40121 Bologna"),
        ("call 07700 900461", "phone", "+447700900461"), ("+1 (202) 555-0143", "phone", "+12025550143"),
        ("ring 918-555-0147", "phone", "+19185550147"),
        ("at 14 Mill Lane, Leeds LS1 4AB today", "address", "14 Mill Lane, Leeds LS1 4AB"), ("Lindenstraße 14, 10969 Berlin", "address", "Lindenstraße 14, 10969 Berlin"),
    ],
)  # fmt: skip
def test_contact_and_payment_details_are_read(text: str, kind: str, value: str) -> None:
    assert read(text, kind) == [value]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("4111 1111 1111 1112", "card_number"), ("DE89 3704 0044 0532 0130 01", "iban"), ("order number 4111111111111111", "card_number"),
     ("55 x 40 x 20 cm, 2026", "phone"), ("version 2.10.3", "url"), ("Fine.Really", "url")],
)  # fmt: skip
def test_what_only_looks_like_a_detail_is_none(text: str, kind: str) -> None:
    assert read(text, kind) == []


def test_a_subject_line_is_read_too_with_an_empty_span() -> None:
    found = extract([Message("It broke.", WEDNESDAY, subject="Order FH-104233")], order_id_format="FH-######")
    (order,) = found.of("order_id")
    assert (order.value, order.span.start, order.span.end) == ("FH-104233", 0, 0)


def test_days_are_resolved_against_their_own_message() -> None:
    earlier = datetime(2026, 10, 1, tzinfo=UTC)
    assert extract([Message("yesterday", earlier), Message("yesterday", WEDNESDAY)]).values("date") == (
        "2026-09-30",
        "2026-11-10",
    )
