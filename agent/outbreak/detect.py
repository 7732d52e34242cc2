"""Says whether a new case belongs to what other customers report, and why; nothing is changed, merged or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

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
            recent: traces of other cases; those outside the window do not count. Cases of which a person said that they
                are no incident must be left out, or they found it anew.
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
        fits = [(link, name) for name, m in members.items() if (link := self._link(new, self._group(m)))]
        fits.sort(key=lambda f: (f[0].sure, f[0].nearness), reverse=True)
        if fits:
            link, name = fits[0]
            group, links = [new], [link]
        else:
            group, links = self._founded(new, free)
            name = next((n for n, m in members.items() if self._are_one(group, m)), "")
        if not group:
            return Sighting("nothing", duplicates=duplicates)
        whole, more = self._gathered([*members.get(name, ()), *group], free)
        return Sighting(
            "joins" if name else "founds", name, (*links, *more), tuple(n for _, n in fits[1:]), _customers(whole), duplicates
        )  # fmt: skip

    def _founded(self, new: Trace, free: Sequence[Trace]) -> tuple[list[Trace], list[Link]]:
        """The cases that are like `new`, and those that surely are like one of these, with why; none when they are too few."""
        alone = self._group([new])
        found = {t.case_id: link for t in free if (link := self._link(t, alone))}
        direct = [self._group([t]) for t in free if t.case_id in found]
        for t in free if direct else ():
            links = (self._link(t, g) for g in direct if t.case_id not in found)
            if link := next((x for x in links if x and x.sure), None):
                found[t.case_id] = link
        group = [new, *(t for t in free if t.case_id in found)]
        if _customers(group) < self.rules.minimum:
            return [], []
        found[new.case_id] = replace(next(iter(found.values())), case_id=new.case_id)
        others = ((t, self._group([m for m in group if m is not t])) for t in group)
        return group, [self._link(t, rest) or found[t.case_id] for t, rest in others]

    def _are_one(self, group: Sequence[Trace], members: Sequence[Trace]) -> bool:
        """Whether a new group and an incident share lot or article and, taken together, their words."""
        g, m = self._group(group), self._group(members)
        shared = g.lots & m.lots or g.skus & m.skus
        if not (shared and g.kinds & m.kinds) or (g.faults and m.faults and not g.faults & m.faults):
            return False
        bars = self.rules.nearness
        return m.nearness(g) >= (bars.same_fault if g.faults & m.faults else bars.same_article)

    def _group(self, members: Sequence[Trace]) -> _Group:
        return _Group(members, frozenset(self.rules.kind(m.issue_type) for m in members))

    def _gathered(self, group: list[Trace], free: Sequence[Trace]) -> tuple[list[Trace], list[Link]]:
        """The group with the free cases that belong to it now that it is whole, and why."""
        links: list[Link] = []
        rest = [t for t in free if t not in group]
        while rest:
            whole = self._group(group)
            found = {t.case_id: link for t in rest if (link := self._link(t, whole))}
            if not found:
                break
            links += found.values()
            group = [*group, *(t for t in rest if t.case_id in found)]
            rest = [t for t in rest if t.case_id not in found]
        return group, links

    def _link(self, t: Trace, g: _Group) -> Link | None:
        """Why a case belongs to a group, if it does: the surest of the ways whose words are near enough."""
        if t.settled or t.asks:
            return None
        near = g.nearness(t)
        ways = self._ways(t, g)
        return next((Link(t.case_id, why, near, sure) for why, bar, sure in ways if near >= bar), None)

    def _ways(self, t: Trace, g: _Group) -> Iterator[tuple[str, float, bool]]:
        """What a case shares with a group, how near their words must then be, and whether it is sure; surest first."""
        rules, bars, kind = self.rules, self.rules.nearness, self.rules.kind(t.issue_type)
        same, other = kind in g.kinds, bool(kind and g.kinds and kind not in g.kinds)
        faults = t.faults & g.faults
        apart = bool(t.faults and g.faults and not faults)
        another = bool(t.skus and g.skus and not t.skus & g.skus)
        if (lots := (_same(t.lots, g.lots | g.codes)) | _same(t.codes, g.lots)) and not another:
            doubt = other or apart
            bar = bars.same_lot_other_fault if doubt else bars.same_lot if same else bars.same_lot_and_outcome
            yield f"same lot {_list(lots)}", bar, True
        if other or g.other_lot(t):
            return
        if (skus := t.skus & g.skus) and (not kind or t.issue_type in rules.by_article):
            pair, many = (
                (bars.same_fault_pair, bars.same_fault) if faults else (bars.same_article_pair, bars.same_article)
            )
            like = f"same fault ({_list(faults)})" if faults else "like words"
            yield (
                f"same article {_list(skus)}, {like}",
                bars.same_article_other_fault if apart else g.bar(pair, many),
                True,
            )
        if t.issue_type in rules.outages and (shared := self._shared_place(t, g)):
            yield f"outage of the same hour, same {shared}", -1.0, False
        if t.lane and t.issue_type in rules.deliveries and t.lane in {m.lane for m in g.members}:
            yield f"same way {t.lane}", bars.same_lane, False
        if (
            (same or (not kind and faults))
            and not another
            and not apart
            and (not kind or t.issue_type in rules.by_words)
        ):
            pair, many = (bars.words_and_fault_pair, bars.words_and_fault) if faults else (bars.words_pair, bars.words)
            yield f"like words{f' and fault ({_list(faults)})' if faults else ''}", g.bar(pair, many), False

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
        nearness = self._group([t]).nearness(new)
        kinds = {self.rules.kind(new.issue_type), self.rules.kind(t.issue_type)} - {""}
        return f"nearness {nearness:.2f}" if len(kinds) < 2 and nearness >= self.rules.nearness.duplicate else ""


class _Group:
    """What some cases have in common."""

    def __init__(self, members: Sequence[Trace], kinds: frozenset[str]) -> None:
        self.members = members
        self.kinds = kinds - {""}
        self.many = min(1.0, (_customers(members) - 1) / (_MANY - 1))
        """0 for one customer, 1 for many."""
        self.skus, self.lots = (_held(members, what) for what in ("skus", "lots"))
        self.faults = _main(members)
        self.codes = _union(m.codes for m in members)
        self.vector, self.english = (_mean(members, what) for what in ("vector", "english"))

    def nearness(self, t: Trace | _Group) -> float:
        """Cosine of the words of a case, or of another group, to the mean of the group's, over the encoders that both have; 0 without any."""
        pairs = ((t.vector, self.vector), (t.english, self.english))
        cosines = [float(a @ b) for a, b in pairs if a.size and b.size]
        return sum(cosines) / len(cosines) if cosines else 0.0

    def bar(self, pair: float, many: float) -> float:
        """A bar between the one against one customer and the one against many."""
        return pair + (many - pair) * self.many

    def other_lot(self, t: Trace) -> bool:
        """Whether both name a lot, and not the same."""
        return bool(t.lots and self.lots and not _same(t.lots | t.codes, self.lots | self.codes))


def _held(members: Sequence[Trace], what: str) -> frozenset[str]:
    """What two customers of the group share; where no two do, what any has.

    An order of many articles brings in some that have nothing to do with the matter.
    """
    held: set[tuple[str, str]] = {(m.customer or m.case_id, v) for m in members for v in getattr(m, what)}
    counts = Counter(v for _, v in held)
    shared = frozenset(v for v, n in counts.items() if n > 1)
    return shared or frozenset(counts)


_ALIKE: Final = str.maketrans("OIL", "011")
"""Letters that are read for figures."""


def _same(these: frozenset[str], those: frozenset[str]) -> frozenset[str]:
    """Marks of the first that are among the second, an O being as good as a zero and an I or L as a one."""
    known = {name.translate(_ALIKE) for name in those}
    return frozenset(name for name in these if name.translate(_ALIKE) in known)


def _main(members: Sequence[Trace]) -> frozenset[str]:
    """The faults of a group: those that a third of those tell who tell any."""
    telling = [m.faults for m in members if m.faults]
    counts = Counter(name for faults in telling for name in faults)
    return frozenset(name for name, n in counts.items() if n * 3 >= len(telling))


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
