"""Says whether a new case belongs to what other customers report, and why; nothing is changed, merged or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.outbreak.rules import OutbreakRules
from agent.outbreak.trace import EMPTY, Trace, Vector

_MANY = 8
"""Customers from which the mean of their reports is as good as it gets; below, the bar is between pair and many."""


@dataclass(frozen=True, slots=True)
class Link:
    """Why a case belongs to others."""

    case_id: str
    reason: str
    """For a person: `same lot VB2609`, `same article BLN-610, like words`."""
    nearness: float
    """How near its words are to those of the others, -1 to 1."""
    sure: bool
    """It shares a lot or an article, not only words, place and hour."""

    def __str__(self) -> str:
        return f"{self.reason}, nearness {self.nearness:.2f}"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An earlier case of the same customer on what seems to be the same problem; a person may merge the two."""

    case_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a new case means beside the recent ones."""

    verdict: Literal["joins", "founds", "nothing"]
    incident: str = ""
    """The incident that it joins; "" for a new one and for nothing."""
    links: tuple[Link, ...] = ()
    """One for each case that belongs to the incident from now on: the new case first, then earlier ones without incident."""
    also: tuple[str, ...] = ()
    """Other incidents that it fits as well: perhaps they are one."""
    customers: int = 0
    """Different customers in the incident, within the window."""
    duplicates: tuple[Duplicate, ...] = ()
    """Offered for a merge, nearest in time first."""

    @property
    def cases(self) -> tuple[str, ...]:
        """Cases that belong to the incident from now on."""
        return tuple(link.case_id for link in self.links)


class Detector:
    """Compares cases by the rules of one store. It keeps nothing: what it is told is all it knows."""

    def __init__(self, rules: OutbreakRules) -> None:
        self.rules = rules

    def look(self, new: Trace, recent: Iterable[Trace], incidents: Mapping[str, str]) -> Sighting:
        """What `new` means beside the `recent` cases.

        Args:
            new: the case that came in; it may be among the recent ones.
            recent: traces of other cases; those outside the window do not count.
            incidents: case id -> open incident, for the recent cases that belong to one.

        """
        window = self.rules.window
        near = [t for t in recent if t.case_id != new.case_id and abs(t.at - new.at) <= window]
        duplicates = self._duplicates(new, near)
        free = [t for t in near if t.case_id not in incidents]
        members: dict[str, list[Trace]] = {}
        for t in near:
            if t.case_id in incidents:
                members.setdefault(incidents[t.case_id], []).append(t)
        fits = [(link, name) for name, m in members.items() if (link := self._link(new, _Group(m)))]
        if fits:
            fits.sort(key=lambda f: (f[0].sure, f[0].nearness), reverse=True)
            link, name = fits[0]
            group, more = self._gathered([*members[name], new], free)
            also = tuple(other for _, other in fits[1:])
            return Sighting("joins", name, (link, *more), also, _customers(group), duplicates)
        return self._founded(new, free, duplicates)

    def _founded(self, new: Trace, free: Sequence[Trace], duplicates: tuple[Duplicate, ...]) -> Sighting:
        """A new incident of the cases that are like `new`, and of those that surely are like one of these."""
        links: list[Link] = []
        group, rest = [new], list[Trace]()
        for t in free:
            if link := self._link(t, _Group([new])):
                links.append(link)
                group.append(t)
            else:
                rest.append(t)
        direct = [_Group([t]) for t in group[1:]]
        for t in list(rest) if direct else ():
            link = next((x for g in direct if (x := self._link(t, g)) and x.sure), None)
            if link:
                links.append(link)
                group.append(t)
                rest.remove(t)
        if _customers(group) < self.rules.minimum:
            return Sighting("nothing", duplicates=duplicates)
        own = self._link(new, _Group(group[1:])) or Link(new.case_id, links[0].reason, links[0].nearness, links[0].sure)
        group, more = self._gathered(group, rest)
        return Sighting("founds", "", (own, *links, *more), (), _customers(group), duplicates)

    def _gathered(self, group: list[Trace], free: Sequence[Trace]) -> tuple[list[Trace], list[Link]]:
        """The group with the free cases that belong to it now that it is whole, and why."""
        links: list[Link] = []
        rest = [t for t in free if t not in group]
        while rest:
            whole = _Group(group)
            found = {t.case_id: link for t in rest if (link := self._link(t, whole))}
            if not found:
                break
            links += found.values()
            group = [*group, *(t for t in rest if t.case_id in found)]
            rest = [t for t in rest if t.case_id not in found]
        return group, links

    def _link(self, t: Trace, g: _Group) -> Link | None:
        """Why a case belongs to a group, if it does: the surest of the ways whose words are near enough."""
        kind = self.rules.kind(t.issue_type)
        kinds = {self.rules.kind(m.issue_type) for m in g.members} - {""}
        if kind and kinds and kind not in kinds:
            return None
        near = g.nearness(t)
        least = self.rules.nearness.asking if t.asks or all(m.asks for m in g.members) else -1.0
        ways = self._ways(t, g, told=bool(kind and kinds))
        return next((Link(t.case_id, why, near, sure) for why, bar, sure in ways if near >= max(bar, least)), None)

    def _ways(self, t: Trace, g: _Group, *, told: bool) -> Iterator[tuple[str, float, bool]]:
        """What a case shares with a group, how near their words must then be, and whether it is sure; surest first.

        `told` is False when the issue type of either says who must act and not what happened.
        """
        rules, bars = self.rules, self.rules.nearness
        words = bars.words_pair + (bars.words - bars.words_pair) * g.many
        article = bars.same_article_pair + (bars.same_article - bars.same_article_pair) * g.many
        another = bool(t.skus and g.skus and not t.skus & g.skus)
        if (lots := t.lots & g.lots) and not another:
            yield f"same lot {_list(lots)}", bars.same_lot if told else article, True
        if (skus := t.skus & g.skus) and (not told or t.issue_type in rules.by_article):
            harms = t.harms & g.harms
            like = f"same harm ({_list(harms)})" if harms else "like words"
            bar = words if not told else bars.same_article_and_harm if harms else article
            yield f"same article {_list(skus)}, {like}", bar, True
        if t.issue_type in rules.outages and (shared := self._shared_place(t, g)):
            yield f"outage of the same hour, same {shared}", -1.0, False
        if t.lane and t.issue_type in rules.deliveries and t.lane in {m.lane for m in g.members}:
            yield f"same way {t.lane}", bars.same_lane, False
        if told and t.issue_type in rules.by_words and not another and not g.other_lot(t):
            yield "like words", words, False

    def _shared_place(self, t: Trace, g: _Group) -> str:
        """The error, page or harm that a case shares with outages of the group within the hour."""
        window, outages = self.rules.outage_window, self.rules.outages
        close = [m for m in g.members if m.issue_type in outages and abs(m.at - t.at) <= window]
        shared = (
            ("error", t.errors & _union(m.errors for m in close)),
            ("page", t.pages & _union(m.pages for m in close)),
            ("harm", t.harms & _union(m.harms for m in close)),
        )
        return next((f"{what} {_list(held)}" for what, held in shared if held), "")

    def _duplicates(self, new: Trace, near: Sequence[Trace]) -> tuple[Duplicate, ...]:
        """Recent cases of the same customer on the same order, lot or problem."""
        own = (t for t in near if t.customer == new.customer) if new.customer else ()
        own = sorted(own, key=lambda t: (abs(t.at - new.at), t.case_id))
        found = ((t.case_id, self._same_problem(new, t)) for t in own)
        return tuple(Duplicate(case_id, f"same customer, {why}") for case_id, why in found if why)

    def _same_problem(self, new: Trace, t: Trace) -> str:
        if orders := new.orders & t.orders:
            return f"same order {_list(orders)}"
        if lots := new.lots & t.lots:
            return f"same lot {_list(lots)}"
        nearness = _Group([t]).nearness(new)
        kinds = {self.rules.kind(new.issue_type), self.rules.kind(t.issue_type)} - {""}
        return f"nearness {nearness:.2f}" if len(kinds) < 2 and nearness >= self.rules.nearness.duplicate else ""


class _Group:
    """What some cases have in common."""

    def __init__(self, members: Sequence[Trace]) -> None:
        self.members = members
        self.many = min(1.0, (_customers(members) - 1) / (_MANY - 1))
        """0 for one customer, 1 for many."""
        self.skus, self.lots, self.harms = (_held(members, what) for what in ("skus", "lots", "harms"))
        self._vector, self._english = (_mean(members, what) for what in ("vector", "english"))

    def nearness(self, t: Trace) -> float:
        """Cosine of the words of a case to the mean of the group's, over the encoders that both have; 0 without any."""
        pairs = ((t.vector, self._vector), (t.english, self._english))
        cosines = [float(a @ b) for a, b in pairs if a.size and b.size]
        return sum(cosines) / len(cosines) if cosines else 0.0

    def other_lot(self, t: Trace) -> bool:
        """Whether both name a lot, and not the same."""
        return bool(t.lots and self.lots and not t.lots & self.lots)


def _held(members: Sequence[Trace], what: str) -> frozenset[str]:
    """What two customers of the group share; where no two do, what any has.

    An order of many articles brings in some that have nothing to do with the matter.
    """
    held: set[tuple[str, str]] = {(m.customer or m.case_id, v) for m in members for v in getattr(m, what)}
    counts = Counter(v for _, v in held)
    shared = frozenset(v for v, n in counts.items() if n > 1)
    return shared or frozenset(counts)


def _mean(members: Sequence[Trace], what: str) -> Vector:
    """The unit mean of the members' vectors, empty when none has one."""
    vectors: list[Vector] = [v for m in members if (v := getattr(m, what)).size]
    if not vectors:
        return EMPTY
    mean = np.mean(vectors, axis=0)
    length = float(np.linalg.norm(mean))
    return (mean / length).astype(np.float32) if length > 0 else EMPTY


def _customers(group: Sequence[Trace]) -> int:
    return len({t.customer or t.case_id for t in group})


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(name for names in sets for name in names)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
