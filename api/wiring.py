"""The only composition root: settings become a desk whose parts know each other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from agent import intake
from agent.ports import NoOrders, OrderBook
from api import faultpoint
from api.auth import Doors
from api.bell import Bell
from api.budget import Budget
from api.clock import Clock, SystemClock
from api.desk import Desk, DraftWork
from api.errors import SettingsError
from api.hooks.handler import DeadLetters, Fetchers, HookHandler
from api.hooks.inlet import Inlet
from api.hooks.maps import Maps
from api.integrations.config import FILES, MAILBOX, ZENDESK
from api.integrations.files import FileHelpdesk
from api.integrations.protocol import Helpdesk
from api.integrations.reader import TicketReader, knowledge
from api.integrations.zendesk import Zendesk
from api.jobs import TRACE, Drafter, DraftHandler, EmbedHandler, SightHandler, registry
from api.livetexts import LiveTexts
from api.mailbox.beside import reading
from api.notices import Notices
from api.outgoing.mailer import MailServer
from api.parts import READY, Ahead, LazyEncoder, Loaded, Parts, Report
from api.post import DeliverHandler, Mailing, PostOffice, Ways
from api.prompting import Prompting
from api.retexted import retexted
from api.settings import Settings
from api.store.engine import migrate, open_engine, read_secret
from api.store.precedents import PrecedentArchive
from api.store.prompts import Ledger
from api.store.queue import Job
from api.store.unit import Store
from api.texts import HOOKS, Texts
from api.verbs import Rules
from api.views import Views
from api.wire import Json
from api.worker import Worker
from evals.ratings import rubric_hash

if TYPE_CHECKING:
    from agent.case import Escalation, GuardReport
    from agent.outbreak import Trace
    from agent.pipeline import Deps
    from agent.promises import Commitment
    from retrieval.precedent import Encoder

ORDERS = "orders.jsonl"
"""The order book of a sample store, in its folder."""
PATIENCE_S = 5.0
"""Longest wait that a helpdesk may ask for within one job, in seconds."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One desk, put together. Making it is quick; what takes seconds is in `parts` and loads when asked."""

    settings: Settings
    clock: Clock
    live: LiveTexts
    """The texts in use."""
    prompting: Prompting
    """What may be done with the texts."""
    store: Store
    desk: Desk
    views: Views
    doors: Doors
    archive: PrecedentArchive
    orders: OrderBook
    parts: Parts
    drafter: Drafter
    bell: Bell
    """Rung after every change that this process makes."""
    post: PostOffice
    """Sends notices."""
    inlet: Inlet
    """Takes webhooks in."""
    hooks: HookHandler
    """Works them in."""
    dead_letters: DeadLetters
    """Those that could not be."""
    helpdesks: Mapping[str, Helpdesk]
    """Those that the desk is joined to."""
    beside: dict[str, str] = field(default_factory=dict[str, str])
    """How that stands which runs beside the desk: `ready`, or what is wrong."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process is about to end, so that open streams end too."""

    @property
    def texts(self) -> Texts:
        """The texts in use now."""
        return self.live.texts

    def worker(self) -> Worker:
        """A worker of this process; verbs of this process wake it."""
        drafts = _TellingDrafts(self.desk, self.drafter, tell=self.bell.ring)
        embeds = EmbedHandler(self.archive, LazyEncoder(self.parts), self.clock)
        settings = self.settings
        letters = DeliverHandler(self.desk, self.post.send, self.clock)
        worker = Worker(
            self.store, self.clock, registry(self.hooks, drafts, SightHandler(self.desk), embeds, letters), concurrency=max(1, settings.workers),
            lease=timedelta(seconds=settings.lease), drain_s=settings.drain,
            ready=lambda: self.parts.loaded is not None,
        )  # fmt: skip

        def on_work() -> None:
            worker.wake()
            self.bell.ring()

        self.desk.on_work = on_work
        return worker

    def post_worker(self) -> Worker:
        """A worker that only sends notices; it needs no parts."""
        return Worker(self.store, self.clock, registry(DeliverHandler(self.desk, self.post.send, self.clock)))

    def reading_mail(self) -> AbstractAsyncContextManager[None]:
        """Reads the mailbox within the block, where the pack describes one."""
        config = self.texts.integrations.mailbox
        tell = partial(self.beside.__setitem__, MAILBOX)
        return reading(self.desk, config, self.settings.secret_named, self.settings.home, tell)

    async def hang_up(self) -> None:
        """Give the helpdesks their connections back; in the loop that used them."""
        for helpdesk in self.helpdesks.values():
            await helpdesk.aclose()

    def close(self) -> None:
        """Leave index and database in order."""
        if loaded := self.parts.loaded:
            loaded.search.close()
        self.store.engine.dispose()


def build_runtime(
    settings: Settings, *, clock: Clock | None = None, drafter: Drafter | None = None, parts: Parts | None = None,
    sample: bool = True, fetchers: Fetchers | None = None, helpdesks: Mapping[str, Helpdesk] | None = None,
    settle: bool = True,
) -> Runtime:  # fmt: skip
    """The desk that `settings` describe, its database up to date.

    Args:
        settings: of this process.
        clock: another one than the machine's.
        drafter: another one than the agent's pipeline.
        parts: others than encoders, classifier and index.
        sample: whether the sample store's order book is used.
        fetchers: of tickets, for webhooks that only say that something happened, beside those of the helpdesks.
        helpdesks: others than those that the pack describes, by their names there.
        settle: look first whether the files on disk changed while no desk ran.

    Raises:
        BrokenFile: a file of the pack or a prompt is broken and no version is active yet.
        StoreError: the database cannot be opened.

    """
    if settings.fault is not None:
        faultpoint.arm(settings.fault, settings.fault_log)
    clock = clock or SystemClock()
    engine = open_engine(settings.database)
    migrate(engine)
    store = Store(engine, _secret(settings))
    live = LiveTexts(settings, Ledger(store), clock)
    prompting = Prompting(live, live.ledger, clock)
    if settle:
        prompting.settle()
    texts = live.texts
    archive = PrecedentArchive(store)
    orders = _orders(settings, sample)
    budget = Budget(settings.day_cost_usd, clock)
    multilingual = Ahead(partial(_load_multilingual, settings))
    parts = parts or Parts(
        partial(_load_encoder, settings, multilingual),
        partial(_load_rest, settings, live, archive, orders, budget, multilingual),
    )
    bell = Bell()
    helpdesks = _helpdesks(settings, texts, clock) if helpdesks is None else helpdesks
    desk = Desk(store, clock, _rules(texts, frozenset(helpdesks), orders, partial(rubric_hash, settings.prompts)))
    post = _post(settings, texts, desk, clock, helpdesks)
    live.listeners.append(partial(_swap, live, desk, post, parts))
    desk.on_work = bell.ring
    maps = Maps(settings.prompts / HOOKS, texts.hooks)
    readers = {name: TicketReader(one, knowledge(store, name), clock) for name, one in helpdesks.items()}
    fetchers = {**readers, **(fetchers or {})}
    return Runtime(
        settings, clock, live, prompting, store, desk, Views(store), Doors(store, clock), archive, orders,
        parts, drafter or agent_drafter(parts, clock, budget), bell, post,
        Inlet(desk, settings, maps, fetchers), HookHandler(desk, maps, fetchers),
        DeadLetters(desk, maps), helpdesks,
    )  # fmt: skip


def _rules(texts: Texts, helpdesks: frozenset[str], orders: OrderBook, rubric: Callable[[], str]) -> Rules:
    said, again = partial(_commitments, texts), partial(_recheck, texts, orders)
    return Rules(texts.pack, said, texts.outbreak, helpdesks, orders, again, rubric)


def _swap(live: LiveTexts, desk: Desk, post: PostOffice, parts: Parts, texts: Texts) -> None:
    """Whatever holds texts goes on with those in use now. The drafter is swapped as a whole: a case that is being
    drafted ends with the texts that it began with.
    """
    desk.adopt(_rules(texts, frozenset(desk.rules.helpdesks), desk.rules.orders, desk.rules.rubric))
    post.notices.take(texts.pack, texts.prompts)
    parts.swap(partial(retexted, live))


def agent_drafter(parts: Parts, clock: Clock, budget: Budget) -> Drafter:
    """Drafts with the agent's pipeline; waits until its parts are loaded."""

    async def draft(work: DraftWork) -> Mapping[str, Any]:
        loaded = parts.loaded or await asyncio.to_thread(parts.all)
        proposal, trace = await _propose(
            work.escalation, loaded.deps, clock, work.case_id, work.hint, work.earlier_contacts
        )
        budget.add(proposal)
        return {**proposal, TRACE: trace}

    return draft


async def propose(
    payload: Mapping[str, Any] | str | bytes,
    deps: Deps,
    clock: Clock,
    *,
    case_id: str,
    hint: str = "",
    earlier: int = 0,
) -> dict[str, Any]:
    """One escalation in, the proposal as JSON out; nothing is stored.

    Raises:
        BadInput: the payload cannot become an escalation.

    """
    return (await _propose(payload, deps, clock, case_id, hint, earlier))[0]


async def _propose(
    payload: Mapping[str, Any] | str | bytes, deps: Deps, clock: Clock, case_id: str, hint: str, earlier: int
) -> tuple[dict[str, Any], Trace | None]:
    from agent import output, pipeline

    now = clock.now()
    case = replace(intake.parse(payload, now=now, case_id=case_id), earlier_contacts=earlier)
    proposal = await pipeline.propose(case, deps, now=now, hint=hint)
    return output.as_json(proposal), proposal.trace


@dataclass(frozen=True, slots=True)
class _TellingDrafts(DraftHandler):
    """Drafts, and says so to whoever waits for one in this process."""

    tell: Callable[[str], None] = lambda draft: None

    def apply(self, job: Job, work: DraftWork, result: Mapping[str, Any]) -> None:
        """Store the proposal, then tell."""
        DraftHandler.apply(self, job, work, result)
        self.tell(job.data["draft"])

    def give_up(self, job: Job, error: str) -> None:
        """Give the case to a human, then tell."""
        DraftHandler.give_up(self, job, error)
        self.tell(job.data["draft"])


def _commitments(texts: Texts, text: str, language: str, now: datetime) -> Sequence[Commitment]:
    """What a sent text promises."""
    from agent.promises import commitments

    return commitments(text, language, texts.rules.phrases, now)


def _recheck(texts: Texts, orders: OrderBook, case: Escalation, proposal: Json, body: Json, **at: Any) -> GuardReport:
    """What the guard says of words that a person changed."""
    from agent.recheck import Recheck

    return Recheck(texts.pack, texts.prompts, texts.rules, orders).run(case, proposal, body, **at)


def _helpdesks(settings: Settings, texts: Texts, clock: Clock) -> dict[str, Helpdesk]:
    """Those of the pack. What cannot be done within seconds is left to the job, so that it holds no worker."""
    joined, found = texts.integrations, dict[str, Helpdesk]()
    if joined.zendesk is not None:
        found[ZENDESK] = Zendesk(joined.zendesk, settings.secret_named, clock, patience_s=PATIENCE_S)
    if joined.files is not None:
        found[FILES] = FileHelpdesk(settings.home / joined.files.folder, clock)
    return found


def _post(settings: Settings, texts: Texts, desk: Desk, clock: Clock, helpdesks: Mapping[str, Helpdesk]) -> PostOffice:
    notices = Notices(desk.store, texts.pack, texts.prompts, settings.public_url, desk.link_token)
    mailing = partial(_mailing, settings)
    ways = Ways(settings.home / "notices", settings.secret_named, mailing, settings.allow_hosts)
    return PostOffice(notices, ways, clock, helpdesks)


def _mailing(settings: Settings) -> Mailing:
    if not settings.mail_host or not settings.mail_from:
        name = "MAIL_HOST" if not settings.mail_host else "MAIL_FROM"
        raise SettingsError(
            f"DESK_{name}", "", "a channel of kind `email` needs it.", "Set it, or use another channel."
        )
    password = settings.secret_named("MAIL_PASSWORD") if settings.mail_user else ""
    server = MailServer(settings.mail_host, settings.mail_port, settings.mail_security, settings.mail_user, password)
    return Mailing(server, settings.mail_from)


def _secret(settings: Settings) -> bytes:
    given = settings.secret.get_secret_value()
    return given.encode() if given else read_secret(settings.home)


def _orders(settings: Settings, sample: bool) -> OrderBook:
    if not sample or settings.store is None or not (settings.store / ORDERS).exists():
        return NoOrders()
    from api.orderbook import FileOrders

    return FileOrders(settings.store / ORDERS)


def _load_multilingual(settings: Settings) -> Encoder:
    from retrieval.multilingual import MultilingualEncoder

    return MultilingualEncoder(threads=settings.threads)


def _load_encoder(settings: Settings, multilingual: Ahead[Encoder]) -> Encoder:
    multilingual.begin()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # must precede the import, which reads it once
    from retrieval.embed import SentenceEncoder

    return SentenceEncoder(settings.embed_model, threads=settings.threads, int8=settings.embed_int8)


def _load_rest(
    settings: Settings, live: LiveTexts, archive: PrecedentArchive, orders: OrderBook, budget: Budget,
    multilingual: Ahead[Encoder], english: Encoder, report: Report,
) -> Loaded:  # fmt: skip
    """Everything beside the encoder; a trained classifier is taken from DESK_HOME when it fits its texts."""
    report("engine", "loading")
    from threadpoolctl import threadpool_limits

    from agent import learn
    from agent.embedded import EmbeddedModel
    from agent.llm import Limits, build_model
    from agent.outbreak import Middle, Tracer
    from agent.pipeline import Deps
    from agent.signals import Signals
    from agent.small_talk import SmallTalk
    from agent.understand import Reader
    from retrieval.search import PrecedentSearch

    search = PrecedentSearch(archive, english.fingerprint, english.dimension, settings.home / "index")
    search.load()
    texts = live.texts
    pack = texts.pack
    signals = Signals(pack)
    second = multilingual.result()
    reader = Reader(pack, signals, english, second)
    report("engine", READY)
    taught = learn.rows(learn.files(settings.prompts, settings.store))
    name = learn.fingerprint(pack, taught, english.fingerprint, second.fingerprint)
    report("classifier", "loading")

    def told(done: int, of: int) -> None:
        report("classifier", f"learning from {done} of {of} texts")

    classifier = learn.learn(settings.home / "classifier", taught, reader, name, told)
    reader = reader.leaving_out(SmallTalk.of(classifier.taught))
    limits = Limits(
        answer_s=settings.model_timeout, case_s=settings.case_timeout, answers=settings.model_requests,
        tokens=settings.case_tokens, cost_usd=settings.case_cost_usd,
    )  # fmt: skip
    model = build_model(
        (settings.model, *settings.fallbacks), embedded=EmbeddedModel(texts.prompts), limits=limits,
        paused=budget.spent_up,
    )  # fmt: skip
    report("classifier", READY)
    # numpy's threads wait for each other by spinning, which costs a second core for products that take microseconds
    threadpool_limits(settings.threads, "blas")
    outbreak, middle = texts.outbreak, Middle.of(classifier.taught)
    tracer = Tracer(pack, signals, outbreak, middle, _secret(settings)) if outbreak else None
    deps = Deps(
        pack, texts.prompts, signals, reader, classifier, english, search, orders, texts.rules, model, limits, tracer
    )
    return Loaded(english, search, deps, learn.heard(pack))
