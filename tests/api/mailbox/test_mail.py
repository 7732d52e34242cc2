from __future__ import annotations

import base64
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from agent import intake
from api.mailbox.mail import MOST_BYTES, MOST_TEXT, OWN, Attachment, Mail, MailError, date_of, parse
from tests.fakes.desk import escalation, toy_deps

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
OWNERS = ("help@shop.example", "@staff.shop.example")
HEAD = b"""\
From: Wilhelmina Quist <Wilhelmina@quist.example>
To: help@shop.example
Subject: My kettle
Date: Mon, 23 Nov 2026 18:30:00 +0100
Message-ID: <a1@quist.example>
MIME-Version: 1.0
"""


def read(raw: bytes, own: tuple[str, ...] = OWNERS) -> Mail:
    return parse(raw, received=NOW, own=own)


def mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    inside = b"".join(b"--b1\n" + part + b"\n" for part in parts)
    return HEAD + b"Content-Type: multipart/" + kind + b'; boundary="b1"\n\n' + inside + b"--b1--\n"


def text(words: bytes, kind: bytes = b"plain", charset: bytes = b"utf-8") -> bytes:
    return b"Content-Type: text/" + kind + b"; charset=" + charset + b"\n\n" + words + b"\n"


def as_the_agent_reads(mail: Mail) -> tuple[str, str]:
    message = intake.parse({"text": mail.text, "channel": "email"}, now=NOW, case_id="case").messages[0]
    return message.text, message.hidden


# --- what an honest mail says -----------------------------------------------------------------------------------------


def test_a_plain_mail_gives_its_fields():
    mail = read(HEAD + b"\nHello,\nmy kettle arrived cracked.\n")
    assert (mail.sender.name, mail.sender.address) == ("Wilhelmina Quist", "Wilhelmina@quist.example")
    assert (mail.message_id, mail.subject, mail.to) == ("a1@quist.example", "My kettle", ("help@shop.example",))
    assert mail.at == datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    assert mail.text == "Hello,\nmy kettle arrived cracked."
    assert mail.automatic == ""


def test_plain_text_is_preferred_to_html():
    mail = read(mixed(text(b"plain words"), text(b"<p>html words</p>", b"html"), kind=b"alternative"))
    assert mail.text == "plain words"


def test_html_is_taken_where_the_plain_text_is_empty_and_the_agent_reads_its_words():
    mail = read(mixed(text(b" "), text(b"<p>My <b>kettle</b></p>", b"html"), kind=b"alternative"))
    assert as_the_agent_reads(mail)[0] == "My kettle"


def test_html_without_any_common_tag_is_still_read_as_html():
    mail = read(HEAD + b"Content-Type: text/html\n\n<center><h2>Broken</h2></center> kettle &amp; lid")
    assert as_the_agent_reads(mail)[0].split() == ["Broken", "kettle", "&", "lid"]


def test_hidden_words_of_a_long_html_mail_stay_hidden_and_are_noticed():
    body = b"<style>p{color:red}</style>" * 2000 + b"<p>My kettle broke</p><div style='display:none'>refund 500</div>"
    mail = read(HEAD + b"Content-Type: text/html\n\n" + body)
    shown, hidden = as_the_agent_reads(mail)
    assert shown.strip() == "My kettle broke"
    assert "refund 500" in hidden
    assert "refund 500" not in shown


def test_two_plain_parts_around_a_picture_are_both_read():
    picture = b'Content-Type: image/jpeg\nContent-Disposition: inline; filename="IMG_1.jpg"\n\nAAAA'
    mail = read(mixed(text(b"before"), picture, text(b"after")))
    assert mail.text == "[image attached: IMG_1.jpg]\nbefore\n\n\nafter"


def test_a_plain_footer_does_not_replace_an_html_body():
    mail = read(mixed(text(b"<p>My kettle broke</p>", b"html"), text(b"Virus-free & <clean>")))
    shown = as_the_agent_reads(mail)[0]
    assert "My kettle broke" in shown
    assert "Virus-free & <clean>" in shown


def test_attachments_are_named_and_not_opened():
    pdf = b'Content-Type: application/pdf\nContent-Disposition: attachment; filename="bill.pdf"\n\nAAAA'
    mail = read(mixed(text(b"hi"), pdf, b"Content-Type: message/rfc822\n\n" + HEAD + b"\ninner words"))
    assert mail.attachments == (
        Attachment("bill.pdf", "application/pdf"),
        Attachment("without a name", "message/rfc822"),
    )
    assert "inner words" not in mail.text


def test_a_name_of_a_file_is_one_clean_line():
    name = b"filename*=UTF-8''..%2F..%2Fa%0A%5Bimage%3A%20x%5D%00%E2%80%AE.pdf"
    mail = read(
        mixed(text(b"hi"), b"Content-Type: application/pdf\nContent-Disposition: attachment; " + name + b"\n\nAA")
    )
    assert not set("\n\x00[]/") & set(mail.attachments[0].name)


def test_a_logo_inside_html_is_no_attachment_and_a_photo_there_is():
    logo = b"Content-Type: image/png\nContent-ID: <l>\n\n" + base64.encodebytes(b"x" * 3000)
    photo = b"Content-Type: image/jpeg; name=photo.jpg\nContent-ID: <p>\n\n" + base64.encodebytes(b"x" * 90_000)
    mail = read(mixed(text(b"<p>hi</p>", b"html"), logo, photo, kind=b"related"))
    assert [a.name for a in mail.attachments] == ["photo.jpg"]


@pytest.mark.parametrize("kind", [b"image/webp; name=photo.webp", b"image/jpeg", b"video/mp4; name=film.mp4"])
@pytest.mark.parametrize(
    "words", [text(b"My kettle is cracked.\n\nRegards, Wil"), text(b"<p>Der Kessel ist kaputt.</p>", b"html")]
)
def test_the_agent_notices_that_photos_came_with_a_mail(kind: bytes, words: bytes):
    def conditions(mail: Mail) -> frozenset[str]:
        return toy_deps().reader.read(escalation({"text": mail.text}), NOW).conditions

    assert "photos_attached" in conditions(read(mixed(words, b"Content-Type: " + kind + b"\n\nAAAA")))
    assert "photos_attached" not in conditions(read(mixed(words, b"Content-Type: application/pdf; name=a.pdf\n\nAAAA")))


@pytest.mark.parametrize("kind", [b"pgp-signature", b"pkcs7-signature"])
def test_a_signature_of_a_mail_program_is_no_attachment(kind: bytes):
    assert read(mixed(text(b"hi"), b"Content-Type: application/" + kind + b"; name=x\n\nAA")).attachments == ()


def test_names_and_subjects_in_encoded_words_are_decoded():
    head = HEAD.replace(b"Wilhelmina Quist <", b"=?utf-8?B?SsO8cmdlbg==?= =?iso-8859-1?q?M=FCller?= <")
    mail = read(head.replace(b"My kettle", b"=?utf-8?q?Gr=C3?= =?UTF-8?Q?=BC=C3=9Fe?= an Sie") + b"\nhi")
    assert mail.sender.name == "JürgenMüller"
    assert mail.subject == "Grüße an Sie"  # one letter was split over two words


@pytest.mark.parametrize(
    "value",
    [
        "=?nope?q?caf=E9?=",
        "=?utf-8?b?!!!?=",
        "=?utf-8?q?",
        "=?zlib?b?eJwDAAAAAAE=?=",
        "=?punycode?q?a-b?=",
        "\x85\xff\xfe",
    ],
)
def test_a_broken_encoded_word_is_no_error(value: str):
    mail = read(HEAD.replace(b"My kettle", value.encode("latin-1")) + b"\nhi")
    mail.subject.encode("utf-8")
    assert "\n" not in mail.subject


@pytest.mark.parametrize(
    ("field", "name", "address"),
    [
        (b'"Quist, Wilhelmina" <w@q.example>', "Quist, Wilhelmina", "w@q.example"),
        (b"w@q.example (Wilhelmina)", "Wilhelmina", "w@q.example"),
        (b"w@q.example", "", "w@q.example"),
        (b'"help@shop.example" <evil@q.example>', "help@shop.example", "evil@q.example"),
        (b'"a <help@shop.example>, b" <evil@q.example>', "a <help@shop.example>, b", "evil@q.example"),
        (b"Ann <a@q.example>, Ben <b@q.example>", "Ann", "a@q.example"),
        (b"nobody", "nobody", ""),
        (b"<>", "<>", ""),
        (b"x" * 400 + b"@q.example", None, None),
        (b"(" * 5000 + b"w@q.example", None, None),
    ],
)
def test_the_sender_is_the_address_and_a_display_name_is_only_a_name(
    field: bytes, name: str | None, address: str | None
):
    sender = read(HEAD.replace(b"Wilhelmina Quist <Wilhelmina@quist.example>", field) + b"\nhi").sender
    if name is not None:
        assert (sender.name, sender.address) == (name, address)
    assert "\n" not in sender.name
    assert len(sender.name) <= 200


@pytest.mark.parametrize(
    ("charset", "data", "words"),
    [
        (b"utf-8", "Grüße".encode(), "Grüße"),
        (b"iso-8859-1", "Preis: 5 €".encode("cp1252"), "Preis: 5 €"),
        (b"us-ascii", "Grüße".encode("cp1252"), "Grüße"),
        (b"us-ascii", "Grüße".encode(), "Grüße"),
        (b"utf-8", b"caf\xe9 au lait", "caf\ufffd au lait"),
        (b"no-such-charset", "Grüße".encode(), "Grüße"),
        (b"gb2312", "水壶".encode("gb18030"), "水壶"),
        (b"zlib", b"hi", "hi"),
        (b"rot13", b"hi", "hi"),
        (b'"utf-8', b"hi", "hi"),
    ],
)
def test_text_in_a_wrong_or_unknown_charset_is_read_as_well_as_it_can_be(charset: bytes, data: bytes, words: str):
    assert read(HEAD + text(data, charset=charset)).text == words


@pytest.mark.parametrize("how", [b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"nonsense"])
def test_a_broken_transfer_encoding_is_no_error(how: bytes):
    read(HEAD + b"Content-Transfer-Encoding: " + how + b"\n" + text(b"=ZZ !!! caf\xe9 =")).text.encode("utf-8")


def test_a_multipart_mail_that_lost_its_boundaries_keeps_its_words():
    assert "my kettle" in read(HEAD + b"Content-Type: multipart/mixed\n\nmy kettle").text


def test_zero_bytes_and_lone_surrogates_never_reach_the_store():
    mail = read(HEAD.replace(b"My kettle", b"My\x00kettle") + b"\nhi\x00 \xed\xa0\x80")
    for value in (mail.subject, mail.text):
        assert "\x00" not in value
        value.encode("utf-8")


# --- ids and dates ----------------------------------------------------------------------------------------------------


def test_ancestors_are_read_from_folded_fields():
    head = HEAD + b"In-Reply-To: <b@x> \nReferences: <r1@x>\n\t<r2@x>\n <b@x>\n"
    mail = read(head + b"\nhi")
    assert (mail.in_reply_to, mail.references) == (("b@x",), ("r1@x", "r2@x", "b@x"))


def test_a_mail_without_an_id_is_known_by_its_bytes():
    raw = HEAD.replace(b"Message-ID: <a1@quist.example>\n", b"") + b"\nhi"
    assert read(raw).message_id == read(raw).message_id
    assert read(raw).message_id.startswith("sha256:")
    assert read(raw).message_id != read(raw + b"!").message_id


def test_an_id_that_no_mail_may_bear_is_none():
    for wrong in (b"<a b@x>", b"<" + b"a" * 2000 + b"@x>", b"<\xff@x>"):
        assert read(HEAD.replace(b"<a1@quist.example>", wrong) + b"\nhi").message_id.startswith("sha256:")


@pytest.mark.parametrize(
    "date",
    [b"", b"yesterday", b"Mon, 23 Nov 2099 18:30:00 +0100", b"Thu, 01 Jan 1970 00:00:00 +0000", b"99999999999", b"1 " * 900,
     b"Mon, 23 Nov 2026 99:99:99 +99999999"],
)  # fmt: skip
def test_a_date_that_is_missing_broken_or_in_the_future_is_when_it_came(date: bytes):
    assert read(HEAD.replace(b"Mon, 23 Nov 2026 18:30:00 +0100", date) + b"\nhi").at == NOW


def test_without_a_date_the_server_that_took_it_in_knows():
    head = HEAD.replace(
        b"Date: Mon, 23 Nov 2026 18:30:00 +0100", b"Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000"
    )
    raw = head + b"\nhi"
    assert read(raw).at == date_of(raw, NOW) == datetime(2026, 11, 22, 10, tzinfo=UTC)


# --- who waits for an answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        (b"Auto-Submitted: auto-replied", "Auto-Submitted"),
        (b"auto-submitted: AUTO-GENERATED; x=y", "Auto-Submitted"),
        (b"Precedence: bulk", "Precedence"),
        (b"Precedence: Junk", "Precedence"),
        (b"Precedence: list", "Precedence"),
        (b"List-Id: News <news.other.example>", "List-Id"),
        (b"X-Auto-Response-Suppress: DR, OOF, AutoReply", "X-Auto-Response-Suppress"),
        (b"Return-Path: <>", "Return-Path"),
        (b"Auto-Submitted: no", ""),
        (b"Auto-Submitted: no; comment", ""),
        (b"Precedence: normal", ""),
        (b"X-Auto-Response-Suppress: None", ""),
        (b"Return-Path: <w@quist.example>", ""),
        (b"List-Id: <help.shop.example>\nPrecedence: list", ""),
    ],
)
def test_a_mail_that_a_program_sent_is_told_from_one_that_a_person_sent(fields: bytes, word: str):
    automatic = read(HEAD + fields + b"\n\nhi").automatic
    assert (word in automatic) if word else automatic == ""


@pytest.mark.parametrize("own", [b"help@shop.example", b"HELP+x@Shop.Example", b"ada@staff.shop.example"])
def test_mail_from_an_own_address_is_no_customers(own: bytes):
    assert read(HEAD.replace(b"Wilhelmina@quist.example", own) + b"\nhi").automatic == OWN


def test_an_address_that_only_looks_like_an_own_one_is_a_customers():
    for near in (b"help@shop.example.org", b"xhelp@shop.example", b"help@xshop.example", b"help@xstaff.shop.example"):
        assert read(HEAD.replace(b"Wilhelmina@quist.example", near) + b"\nhi").automatic == ""


def test_a_form_that_writes_in_the_stores_name_speaks_for_the_customer_in_reply_to():
    head = HEAD.replace(b"Wilhelmina Quist <Wilhelmina@quist.example>", b"Shop form <help@shop.example>")
    mail = read(head + b"Reply-To: Wil <w@quist.example>\n\nhi")
    assert (mail.sender.name, mail.sender.address, mail.automatic) == ("Wil", "w@quist.example", "")
    assert read(head + b"Reply-To: help@shop.example\n\nhi").automatic == OWN


# --- mails made to break their reader ---------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    parts = [b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth)]
    return HEAD + b"".join(parts) + b"Content-Type: text/plain\n\nhi\n"


BOMBS = {
    "nested 20,000 deep": nested(20_000),
    "mails in mails": HEAD + b"Content-Type: message/rfc822\n\n" * 50_000,
    "one field of 3 MB": b"From: " + b"a" * 3_000_000 + b"\n\nhi",
    "200 KB of brackets": b"From: " + b"(" * 200_000 + b"\n\nhi",
    "200 KB of semicolons": HEAD + b"Content-Type: text/plain" + b";" * 200_000 + b"\n\nhi",
    "60,000 fields": HEAD + b"a:b\n" * 60_000 + b"\nhi",
    "a part of 500,000 fields": mixed(b"a:b\n" * 500_000),
    "parts of semicolons": mixed(*[b"Content-Type: text/plain" + b";" * 2000 + b"\n\nhi"] * 1000),
    "tags that never end": HEAD + b"Content-Type: text/html\n\n" + b"<a x='" * 100_000,
    "tags without an end": HEAD + b"Content-Type: text/html\n\n" + b"<a" * 200_000,
    "comments that never end": HEAD + b"Content-Type: text/html\n\n" + b"<!--" * 100_000,
    "angle brackets": HEAD + b"Content-Type: text/html\n\n" + b"&lt;" * 100_000,
    "3,000 ancestors": HEAD + b"References: " + b"<a@b> " * 40_000 + b"\n\nhi",
    "slow codec": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a" * 500_000 + b"-" + b"b" * 50_000,
    "10 MB attachment": mixed(
        text(b"hi"), b"Content-Type: image/jpeg; name=a.jpg\n\n" + (b"QUFB" * 18 + b"\n") * 140_000
    ),
    "binary": bytes(range(256)) * 1000,
    "nothing": b"",
    "no mail": b"%PDF-1.4\n1 0 obj",
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_mail_made_to_break_its_reader_is_read_or_refused_in_a_few_seconds(name: str):
    start = time.perf_counter()
    with suppress(MailError):
        mail = read(BOMBS[name])
        assert len(mail.text.encode()) <= 2 * MOST_TEXT
        assert len(mail.references) <= 50
    assert time.perf_counter() - start < 8  # each takes less than 1 s on an idle core


@pytest.mark.parametrize("name", ["nothing", "no mail", "binary", "nested 20,000 deep", "60,000 fields"])
def test_what_is_refused_is_refused_in_one_sentence(name: str):
    with pytest.raises(MailError, match=r"^It[s ][^.]+\.$"):
        read(BOMBS[name])


def test_a_long_text_is_cut_where_the_oldest_words_are():
    mail = read(HEAD + b"\nnewest words\n" + b"> quoted again and again\n" * 4000)
    assert mail.text.startswith("newest words")
    assert mail.text.endswith("[...]")
    assert len(mail.text.encode()) <= MOST_TEXT + 10


def test_what_follows_the_limit_is_not_read():
    late = b'Content-Type: application/pdf\nContent-Disposition: attachment; filename="late.pdf"\n\nAA'
    big = b"Content-Type: image/jpeg; name=a.jpg\n\n" + b"QUFB\n" * (MOST_BYTES // 5)
    assert [a.name for a in read(mixed(text(b"hi"), big, late)).attachments] == ["a.jpg"]


def test_a_date_is_read_from_the_beginning_of_a_mail():
    assert date_of(HEAD + b"\n" + b"x" * 1000, NOW) == NOW - timedelta(hours=15, minutes=30)
    with pytest.raises(MailError):
        date_of(b"no mail", NOW)
