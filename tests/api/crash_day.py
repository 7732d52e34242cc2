"""A scripted day that is killed at every fault point, started again, and checked. Run as a program; prints JSON.

Each run is a fork, so nothing but the files in the home survives it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import RowMapping, select

from agent.directory import Channel, Team
from agent.outbreak import Trace, load_rules
from agent.promises import Commitment
from agent.standing import standing
from agent.states import fold
from api import faultpoint
from api.auth import WORKER, Doors, Principal
from api.desk import Desk, DraftWork
from api.erasure import erase_rows
from api.errors import ConflictError
from api.hooks.handler import DeadLetters, HookHandler
from api.hooks.maps import Maps
from api.jobs import TRACE, DraftHandler, SightHandler, registry
from api.mailbox.config import MailboxConfig
from api.mailbox.drafts import waiting
from api.mailbox.places import Place, Places
from api.mailbox.take import Raw, Taker
from api.mailbox.threads import Threads
from api.outbox import Outbox
from api.outgoing.message import NotTaken
from api.post import DeliverHandler
from api.rating import Ratings
from api.store import audit, cases, clocks, deliveries, incidents, proof, queue, tables
from api.store.deliveries import Arrival
from api.store.engine import migrate, open_engine
from api.store.precedents import Card, PrecedentArchive
from api.store.prompts import Ledger, Move
from api.store.unit import Store
from api.texttree import Tree
from api.verbs import Rules
from api.views import Views
from api.worker import Worker
from evals.past import PastCase
from retrieval.precedent import Precedent
from tests.builders_ratings import BEST, planned
from tests.fakes.desk import PROMPTS, pack

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
KILLED = 9
PASSWORD = "a long enough password"
COMPILED: dict[Any, Any] = {}
"""SQL compiled once in the parent, so that a fork does not do it again."""
CARD = Precedent(
    "prc_1", "late", "S3", "en", "email", "Late.", "refund", "Refunded.", Decimal(5), "GBP", timedelta(hours=1), START,
    "resolved", "", 4,
)  # fmt: skip


def rules() -> Rules:
    """The sample store's, with one channel for teams and programs."""
    listening = Channel(kind="webhook", secret="URL", sign_with=("KEY",), events=("draft.ready",))
    support = Team(title="Support", channel="notices", escalates_to="support_lead")
    teams = {**pack().teams, "support": support}
    directory = pack().directory.model_copy(update={"channels": {"notices": listening}, "teams": teams})
    return Rules(pack().model_copy(update={"directory": directory}), promised, load_rules(PROMPTS, pack()))


def promised(text: str, _language: str, now: datetime) -> list[Commitment]:
    return [Commitment("refund", text, 0, len(text), due=now.date() + timedelta(days=9))]


RULES = rules()

MAP = """verify: standard
secrets: [SHOP]
map: {type: type, external_id: ticket.id, "messages[*].text": text, status: status}
"""
HOOKED = {
    "created": '{"type": "created", "ticket": {"id": "T", "number": "T"}, "text": "lamp"}',
    "solved": '{"type": "status", "ticket": {"number": "T"}, "status": "resolved"}',
}

MAIL = b"From: w@q.example\nSubject: mail\nMessage-ID: <m1@q.example>\nDate: Mon, 23 Nov 2026 12:00:00 +0000\n\nbroken"
ANSWER = MAIL.replace(b"<m1@", b"<m2@").replace(b"\n\nbroken", b"\nIn-Reply-To: <m1@q.example>\n\nany news?")
EXPECTED = {"kettle": (3, 1, 0), "poison": (0, 0, 1), "mail": (1, 0, 0), "lamp": (1, 0, 0)}
"""Proposals, sends and failures of each case."""


class Clock:
    def __init__(self, start: datetime) -> None:
        self.at = start

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


class Day:
    """All that happens; every part may have happened before."""

    def __init__(self, home: Path, start: datetime) -> None:
        self.home, self.clock = home, Clock(start)
        engine = open_engine(f"sqlite:///{home / 'desk.db'}")
        engine.update_execution_options(compiled_cache=COMPILED)
        self.store = Store(engine, b"k" * 32)
        self.desk = Desk(self.store, self.clock, RULES)
        self.views = Views(self.store)

    def note(self, line: str) -> None:
        with (self.home / "outside.log").open("a") as file:
            file.write(line + "\n")

    async def draft(self, work: DraftWork) -> dict[str, Any]:
        await asyncio.sleep(0.015)  # long enough for one beat of the lease
        text = work.escalation["messages"][0]["text"]
        if text == "poison":
            raise ValueError
        held: dict[str, Any] = {"verdict": "blocked", "findings": [{"rule": "unsupported_fact", "hard": True}]}
        return {
            "state": "blocked" if text == "lamp" else "ready", "engine": "fake", "degraded": False, "issue_type": "late", "severity": "S3",
            "primary_team": "support", "draft": {"kind": "reply", "subject": "", "body": f"About {text}"},
            "guard": held if text == "lamp" else {"verdict": "clear"},
            "clocks": [{"metric": "external", "target": "evidence", "due_at": "2026-12-24T09:00:00Z"}],
            TRACE: Trace(work.case_id, START, text, "late"),
        }  # fmt: skip

    async def send(self, key: str, letters: Sequence[RowMapping]) -> None:
        if letters[0]["payload"].get("state") == "needs_human":
            raise NotTaken("it is down")
        for letter in letters:
            self.note(f"sent {letter['idempotency_key']}")

    def work(self) -> None:
        drafts = DraftHandler(self.desk, self.draft, max_attempts=2)
        letters = DeliverHandler(self.desk, self.send, self.clock, max_attempts=2)
        for _ in range(2):
            worker = Worker(
                self.store,
                self.clock,
                registry(drafts, SightHandler(self.desk), letters),
                concurrency=1,
                lease=timedelta(milliseconds=30),
            )
            asyncio.run(worker.run_until_idle())
            self.clock.at += timedelta(minutes=5)

    def run(self) -> None:
        ada = self.people()
        for name in ("kettle", "poison"):
            case_id = self.desk.receive(ada, {"text": name}, key=name)["case"]
            self.note(f"acknowledged {name} {case_id}")
        self.memory()
        self.texts(ada)
        self.mailbox(ada)
        self.work()
        self.drafts_folder()
        kettle = self.desk.receive(ada, {"text": "kettle"}, key="kettle")["case"]
        self.desk.record_message(ada, kettle, {"text": "any news?"}, key="m")
        self.note("acknowledged message")
        self.work()
        self.desk.request_draft(ada, kettle, "shorter", key="r")
        self.work()
        self.person(ada, kettle)
        self.hooks(ada)
        with self.store.write("finish") as conn:  # a job for a draft that is decided: nothing to do
            queue.put(conn, "draft", {"draft": self.views.case(ada, kettle).row.draft_id}, now=self.clock.now())
        self.work()
        self.others(ada)
        self.erasure(ada)
        self.clock.at += timedelta(days=2)
        while self.desk.sweep(WORKER):
            pass
        self.work()

    def people(self) -> Principal:
        doors = Doors(self.store, self.clock)
        ada = doors.principal_named("Ada") or doors.add_principal(None, "Ada", "admin")
        doors.revoke_key(ada, doors.make_key(ada, ada.id)[0])
        doors.sign_out(doors.sign_in(doors.make_link(ada.id))[1])
        doors.set_password(ada, PASSWORD)
        doors.sign_out(doors.sign_in_with_password("Ada", PASSWORD, "::1")[1])
        bob = doors.principal_named("Bob") or doors.add_principal(ada, "Bob", "agent")
        doors.set_active(ada, bob.id, active=False)
        doors.set_shortcuts(ada, on=False)
        return ada

    def hooks(self, ada: Principal) -> None:
        """A webhook that was stored is worked in; one without an order is laid aside, mended and replayed."""
        maps = self.home / "hooks"
        maps.mkdir(exist_ok=True)
        (maps / "shop.yaml").write_text(MAP)
        hooked = HookHandler(self.desk, Maps(maps, {}), {})
        dead = DeadLetters(self.desk, hooked.maps)

        def work() -> None:
            asyncio.run(Worker(self.store, self.clock, registry(hooked), concurrency=1).run_until_idle())
            self.clock.at += timedelta(minutes=5)

        for number, body in HOOKED.items():
            now = self.clock.now()
            with self.store.write("take_deliveries") as conn:
                (stored,) = deliveries.put_all(conn, [Arrival("shop", number, {}, body.encode(), now)], now)
            self.note(f"stored {number} {stored}")
        work()
        (maps / "shop.yaml").write_text(MAP.replace("ticket.id", "ticket.number"))
        for row in dead.all(ada):
            dead.replay(ada, row["id"])
        work()

    def texts(self, ada: Principal) -> None:
        """Two versions of the texts: the second is proposed and rehearsed before it becomes active."""
        ledger = Ledger(self.store)
        first, second = (Tree({"triage.md": text}) for text in ("one", "two"))
        if not ledger.active():
            ledger.move(Move(first, "", ada.id, "first_start", {}, "first"), self.clock.now())
        if ledger.active() == first.hash:
            move = Move(second, first.hash, ada.id, "proposed", {"triage": ("1", "2")}, "shorter")
            ledger.propose(move, self.clock.now())
            ledger.note(second, "rehearsal", "5 texts change", ada.id, self.clock.now(), passed=True)
            ledger.move(replace(move, action="confirmed"), self.clock.now())
        self.note(f"acknowledged texts {second.hash}")

    def erasure(self, ada: Principal) -> None:
        """A customer asks to be forgotten, who never wrote."""
        erase_rows(self.desk, ada, [self.store.keyed("customer", "e@q.example")], (), lambda _: 0)

    def memory(self) -> None:
        archive = PrecedentArchive(self.store)
        archive.put([Card(CARD, ("ORD-1",))], self.clock.now())
        archive.set_vectors("fake", {"prc_1": np.ones(4, np.float32)})
        archive.remove(["prc_2"])
        with self.store.write("import_past") as conn:
            proof.put(conn, [PastCase(id="0" * 64, opened=START, resolved=START)], "imp_1")
        with self.store.write("freeze_baseline") as conn:
            if proof.newest(conn) is None:
                proof.keep(
                    conn, version=1, begins_at=START, ends_at=START, cases=1, hash="0" * 64, content=b"", actor="prn_1",
                    created_at=START,
                )  # fmt: skip

    def mailbox(self, ada: Principal) -> None:
        """Two mails of one thread, each taken in and then passed in its folder."""
        config = MailboxConfig(host="localhost", user="help@shop.example", secret="MAILBOX")
        places, taker = Places(self.store, config), Taker(self.desk, ada, config.own)
        for uid, mail in enumerate((MAIL, ANSWER), start=1):
            if (place := places.of("INBOX")) is not None and place.uid >= uid:
                continue
            taker.take(Raw(f"INBOX UID {uid}", mail, START))
            places.keep("INBOX", Place(1, uid, START.date()))
            self.note(f"acknowledged mail {uid}")

    def drafts_folder(self) -> None:
        """A draft goes into a folder that keeps each Message-ID once."""
        with self.store.read() as conn:
            letters = waiting(conn, "help@shop.example")
        folder = self.home / "folder"
        for letter in letters:
            there = folder.read_text().split() if folder.exists() else []
            if letter.message_id not in there:
                with folder.open("a") as file:
                    file.write(letter.message_id + "\n")
            with self.store.write("mailbox_draft") as conn:
                Threads(self.store).note_draft(conn, letter.case_id, letter.draft_id, letter.message_id, letter.at)

    def person(self, ada: Principal, case_id: str) -> None:
        """Someone who looks at the screen and does what is left to do."""
        case = self.views.case(ada, case_id)
        assert case.draft is not None
        self.desk.look(ada, case_id, [("opened", "")], case.draft.id)
        self.desk.assign(ada, case_id, "Ada", key="y")
        self.desk.snooze(ada, case_id, START + timedelta(hours=9), key="z")
        self.desk.add_note(ada, case_id, "called", key="x")
        self.desk.set_routing(ada, case_id, "fulfilment", "parcel", key="g")
        if "approval_undone" not in {event.kind for event in case.events}:
            self.approve(ada, case_id, "a")
            with suppress(ConflictError):  # the hold is over when the approval was before a crash
                self.desk.undo_approval(ada, case.draft.id, key="u")
        self.approve(ada, case_id, "b")
        self.desk.rate(ada, case.draft.id, "up", key="t")
        self.desk.misled(ada, case_id, "precedent", "prc_1", key="m2")
        self.desk.record_sent(ada, case_id, "About kettle", draft_id=case.draft.id, key="s")
        self.note("acknowledged send")
        self.desk.acknowledge(ada, case_id, "support", key="k")
        self.desk.set_severity(ada, case_id, "S2", "customer called", key="v")
        self.desk.adopt_policy(ada, case_id, "new contract", key="p")
        self.desk.no_reply_needed(ada, case_id, "thanks", key="n")
        self.desk.meet_deadline(ada, case_id, "evidence", key="d")
        self.desk.record_satisfaction(ada, case_id, 4, key="c")
        with self.store.write("incident") as conn:
            known = incidents.all_of(conn, "open", 1)
            incident = known[0]["id"] if known else incidents.found(conn, self.clock.now())
        self.desk.join_incident(ada, case_id, incident, key="i")
        outbox = Outbox(self.desk)
        outbox.reopen(ada, "notices")
        for promise in self.views.promises(ada, case_id):
            self.desk.settle_promise(ada, promise.id, "kept", key="o")
        if self.views.case(ada, case_id).row.status != "waiting_customer":
            self.desk.set_status(ada, case_id, "waiting_customer", key="w")

    def approve(self, ada: Principal, case_id: str, key: str) -> None:
        case = self.views.case(ada, case_id)
        if case.draft is not None and case.draft.state == "ready":
            read = {"draft_hash": case.draft.hash, "case_version": case.version}
            self.desk.record_review(ada, case.draft.id, "approve", **read, key=key)

    def others(self, ada: Principal) -> None:
        """The answer to a finding, a case that a person takes over, and an output of an eval run that somebody rates."""
        with self.store.read() as conn:
            ids = {row.title: row.id for row in conn.execute(select(tables.cases.c.title, tables.cases.c.id))}
        lamp = self.views.case(ada, ids["lamp"])
        if lamp.draft is not None and lamp.draft.state == "blocked":
            read = {"draft_hash": lamp.draft.hash, "case_version": lamp.version}
            self.desk.resolve_finding(ada, lamp.draft.id, 1, "the label says so", **read, key="f")
        self.desk.take_over(ada, ids["poison"], key="h")
        ratings = Ratings(self.store, self.clock, PROMPTS)
        ratings.offer(ada, "run_a", [planned()])
        (one,) = ratings.all(ada)
        if one.settled is None:
            ratings.rate(ada, one.item.id, {"dims": BEST})
        ratings.settle(ada, one.item.id, {"dims": BEST})

    def problems(self) -> list[str]:  # noqa: PLR0915 - a list of facts, each in a line
        """What was lost or done twice."""
        found: list[str] = []

        def want(what: str, got: object, expected: object) -> None:
            if got != expected:
                found.append(f"{what}: {got!r} instead of {expected!r}")

        outside = (self.home / "outside.log").read_text().split("\n")
        with self.store.read() as conn:
            rows = {row["title"]: row for row in conn.execute(select(tables.cases)).mappings()}
            want("cases", len(conn.execute(select(tables.cases.c.id)).all()), 4)
            erased = conn.execute(select(tables.events.c.seq).where(tables.events.c.kind == "erased")).first()
            want("erased", erased is not None, True)
            for line in outside:
                if line.startswith(("acknowledged kettle", "acknowledged poison")):
                    want(line, rows[line.split()[1]]["id"], line.split()[2])
            kettle, poison, lamp, mail = (rows[name] for name in ("kettle", "poison", "lamp", "mail"))
            want(
                "status",
                [row["status"] for row in (kettle, poison, lamp)],
                ["waiting_customer", "in_progress", "resolved"],
            )
            hooked = {row["delivery_id"]: row for row in conn.execute(select(tables.deliveries)).mappings()}
            want("webhooks", [(n, row["state"], row["case_id"]) for n, row in sorted(hooked.items())],
                 [(number, "done", lamp["id"]) for number in sorted(HOOKED)])  # fmt: skip
            for _, number, stored in (line.split() for line in outside if line.startswith("stored ")):
                want(f"stored {number}", hooked[number]["id"], stored)
            want("lamp", [m["body"]["text"] for m in cases.messages_of(conn, lamp["id"])], ["lamp"])
            states = conn.execute(
                select(tables.drafts.c.case_id, tables.drafts.c.state)
                .where(tables.drafts.c.case_id != mail["id"])
                .order_by(tables.drafts.c.id)
            )
            want("drafts", [tuple(row) for row in states], [
                (kettle["id"], "stale"), (poison["id"], "discarded"), (kettle["id"], "stale"), (kettle["id"], "sent"),
                (lamp["id"], "ready"),
            ])  # fmt: skip
            texts = [m["body"]["text"] for m in cases.messages_of(conn, kettle["id"])]
            want("messages", texts, ["kettle", "any news?", "About kettle"])
            for row in rows.values():
                log = list(audit.of_case(conn, row["id"]))
                state = fold(log)
                want("fold", (row["status"], row["version"]), (state.status, state.version))
                kinds = Counter(kind for kind, _ in log)
                told = (kinds["draft_proposed"], kinds["reply_sent"], kinds["draft_failed"])
                want("proposals, sends, failures", told, EXPECTED[row["title"]])
            audit.verify(conn)
            jobs = {(row.kind, row.state) for row in conn.execute(select(tables.jobs))}
            want("jobs", jobs - {("embed", "done"), ("embed", "queued"), ("deliver", "done"), ("deliver", "queued")}, {
                ("draft", "done"), ("draft", "dead"), ("hook", "done"), ("sight", "done"),
            })  # fmt: skip
            letters = conn.execute(select(tables.outbox)).mappings().all()
            kinds = Counter(str(letter["payload"]["kind"]) for letter in letters)
            want("letters", (kinds["event"], kinds["pulled_in"], kinds["clocks"] > 0), (6, 4, True))
            for letter in letters:
                taken = letter["payload"].get("state") != "needs_human"
                want(
                    "delivered",
                    (letter["state"], letter["attempts"] > 0),
                    ("delivered" if taken else "waiting", not taken),
                )
                want("sent", f"sent {letter['idempotency_key']}" in outside, taken)
            for row in rows.values():
                log, book = clocks.log_of(conn, [row["id"]])[row["id"]], self.desk.versions.book(conn)
                now = standing(log, book, self.clock.now())
                due = {
                    (c.id, m.percent) for c in now.clocks if c.open for m in clocks.marks(c) if m.at <= self.clock.now()
                }
                told = clocks.told(conn, [row["id"]])[row["id"]]
                want("notices", due - told, set())
            texts = [m["body"]["text"] for m in cases.messages_of(conn, mail["id"])]
            want("mails", texts, ["broken", "any news?"])
            mails = Counter(conn.execute(select(tables.mail_ids.c.kind)).scalars())
            want("mail ids", mails, Counter({"in": 2, "draft": 1}))
            want("drafts folder", len((self.home / "folder").read_text().split()), 1)
            ledger = Ledger(self.store)
            log = [entry.action for entry in reversed(ledger.log())]
            want("texts", [*ledger.tree(ledger.active()).files.values(), log[0], log[-1], log.count("confirmed")],
                 ["two", "first_start", "confirmed", 1])  # fmt: skip
            want("past", (proof.count(conn), len(proof.heads(conn))), (1, 1))
            want("precedents", len(conn.execute(select(tables.precedents.c.id)).all()), 1)
        return found


def forked(home: Path, start: datetime, at: int | None, log: Path | None = None) -> int:
    """One run in a process of its own: the signal that killed it, or 0. What goes wrong is left in `problems`."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1
    try:
        if at is not None:
            faultpoint.arm(at, log)
        day = Day(home, start)
        day.run()
        (home / "problems").write_text("\n".join(day.problems()))
    except BaseException:  # noqa: BLE001 - the parent reads what it was
        (home / "problems").write_text(traceback.format_exc())
    finally:
        os._exit(0)


def main(folder: Path, stride: int = 1) -> None:
    template = folder / "template"
    template.mkdir()
    engine = open_engine(f"sqlite:///{template / 'desk.db'}")
    migrate(engine)
    engine.dispose()
    shutil.copytree(template, folder / "warm")
    warm = Day(folder / "warm", START)
    warm.run()
    warm.store.engine.dispose()
    hit, problems, at, kills = folder / "hit.log", dict[int, str](), 1 - stride, 0
    while True:
        at += stride
        home = folder / str(at)
        shutil.copytree(template, home)
        killed = forked(home, START, at, hit)
        if killed == KILLED:
            forked(home, START + timedelta(hours=1), None)
        text = (home / "problems").read_text() if (home / "problems").exists() else "the run left no verdict"
        if text:
            problems[at] = text
        shutil.rmtree(home)
        kills += killed == KILLED
        if killed != KILLED or len(problems) > 3:
            break
    print(json.dumps({"kills": kills, "hit": sorted(set(hit.read_text().split())), "problems": problems}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
