"""Past escalations from a file into precedent cards: all of them or, when a row is wrong, none."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import insert

from agent.case import Customer, Entities, Message
from agent.entities import extract, order_key
from agent.language import detect
from agent.pack import Pack
from agent.redact import redact
from agent.repair import repair
from agent.strip import body
from api.auth import Principal
from api.ids import new_id
from api.past import PastEscalation, PastMessage, Progress, Rows, content, each, rows_of, utc
from api.store import audit
from api.store import precedents as cards
from api.store.precedents import Card
from api.store.tables import imports
from api.wiring import Runtime
from retrieval.ingest import precedent_id
from retrieval.precedent import Precedent

MOST_SUMMARY: Final = 600
MOST_AFTERMATH: Final = 256
MOST_REMEDY: Final = 1000
_NUMBER: Final = re.compile(r"\d{5,}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    rows: int
    added: int
    """Rows whose content was not here before."""


def bring_in(
    desk: Runtime, who: Principal, path: Path, mapping: Path | None = None, progress: Progress | None = None
) -> Imported:
    """Reads a history into the archive in one transaction; rows that are here already change nothing.

    Raises:
        HistoryError: some rows are wrong; nothing was stored.
        UsageError: the file or the mapping cannot be read.

    """
    who.need("admin")
    raw = content(path)
    made = make_cards(rows_of(path, raw, mapping), desk.texts.pack, progress)
    with desk.store.write("put_precedents") as conn:
        now = desk.clock.now()
        import_id = new_id("imp", now)
        added = cards.put(conn, made, now, import_id)
        if added:
            digest = hashlib.sha256(raw).hexdigest()
            row = {"id": import_id, "file_hash": digest, "actor": who.id, "rows": len(made), "added": added}
            conn.execute(insert(imports).values(**row, created_at=now))
            data = {"import": import_id, "rows": added}
            audit.append(conn, "history_imported", actor=who.id, at=now, data=data)
    desk.desk.on_work()
    return Imported(len(made), added)


def make_cards(rows: Rows, pack: Pack, progress: Progress | None = None) -> list[Card]:
    """Redacted cards of rows.

    Raises:
        HistoryError: some rows are wrong.

    """
    return each(rows, pack, lambda past: _card(past, pack), progress)


# --- the card --------------------------------------------------------------------------------------------------------


def _card(past: PastEscalation, pack: Pack) -> Card:
    messages, language, found = _read(past, pack)
    names = (past.customer.name, *pack.store.contacts.values())

    def clean(text: str, most: int) -> str:
        words = " ".join(redact(repair(text).text, found, names, ids=True).text.split())
        for number in _NUMBER.findall(past.order_ref):  # also where nothing in the text says that it is an order's
            words = words.replace(number, "[ORDER]")
        return words if len(words) <= most else words[: most - 1].rsplit(" ", 1)[0] + "…"

    told = [body(m.text) or m.text for m in messages if m.author in {"customer", "bank"}] or [messages[0].text]
    cost = past.cost
    teams = dict.fromkeys(team for team in (past.primary_team, *past.collaborators) if team)
    precedent = Precedent(
        id="", issue_type=past.issue_type, severity=past.severity, language=language, channel=past.channel,
        summary=clean("\n".join(told), MOST_SUMMARY), remedy_kind=past.remedy.kind,
        remedy=clean(past.remedy.note, MOST_REMEDY), cost=cost.amount if cost else None,
        currency=cost.currency if cost else None, resolved_in=utc(past.resolved_at) - utc(past.opened_at),
        resolved_at=utc(past.resolved_at), outcome=past.outcome, aftermath=clean(past.aftermath, MOST_AFTERMATH),
        satisfaction=past.satisfaction, teams=tuple(teams), products=past.products,
    )  # fmt: skip
    keys = _keys(past, found)
    return Card(replace(precedent, id=precedent_id(precedent, keys)), keys)


def _read(past: PastEscalation, pack: Pack) -> tuple[list[Message], str, Entities]:
    given = past.messages or (PastMessage(text=past.text),)
    messages = [
        Message(
            repair(m.text).text,
            utc(m.at or past.opened_at),
            "staff" if m.author in {"staff", "agent", "support"} else "bank" if m.author == "bank" else "customer",
            subject=repair(m.subject).text,
        )
        for m in given
    ]
    text = "\n".join(m.text for m in messages if m.author != "staff") or messages[0].text
    language = detect(text, past.lang).code
    found = extract(
        messages,
        store_products=tuple((p.sku, p.name) for p in pack.products),
        order_id_format=pack.store.order_id_format.split(" ")[0],
        language=language,
        customer=Customer(past.customer.name, past.customer.email, past.customer.phone),
        store_names=(pack.store.name,),
    )
    return messages, language, found


def _keys(past: PastEscalation, found: Entities) -> tuple[str, ...]:
    """What finds this case exactly: order ids as `order_key` spells them, tracking numbers and SKUs as they are."""
    orders = [order_key(word) for word in (past.order_ref, *found.values("order_id"))]
    named = (*orders, *found.values("tracking_number"), *past.products)
    return tuple(dict.fromkeys(key for key in named if 0 < len(key) <= 128))
