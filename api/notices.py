"""What a letter of the outbox says: composed when it leaves, from what is known then, by texts that an admin edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from agent.directory import Directory
from agent.pack import Pack
from agent.prompts import Prompts
from agent.standing import Clock, standing
from api.integrations.protocol import Note
from api.outgoing.message import Message
from api.store import cases, clocks, mail
from api.store.unit import Store
from api.wire import Json

_MOST_LINES: Final = 40
_WORDS: Final = {
    "first_reply": "the first reply", "next_reply": "the next reply", "next_update": "the next update",
    "resolution": "the resolution", "team_ack": "the acknowledgement", "promise": "a promise", "external": "a date from outside",
}  # fmt: skip
_COPIED: Final = frozenset({"ready", "approved"})
"""States of a draft that a person may copy: it passed the guard, or a person let it pass."""
_GONE: Final = {
    "sent": "a person has answered already", "released": "a person has answered already",
    "stale": "the case went on after it was written", "discarded": "a person discarded it",
    "sent_back": "a person asked for another one",
}  # fmt: skip
AVOID: Final = (
    "no promise of money, goods or dates that policy or an approver does not back", "no fault or cause admitted",
    "nothing about other customers, fraud rules or this notice",
)  # fmt: skip


class Notices:
    """Writes the messages of letters."""

    def __init__(self, store: Store, pack: Pack, prompts: Prompts, base: str, token: Any) -> None:
        """`base` is the desk's own URL; `token(case, team)` is what a team's link proves itself with."""
        self._store, self._pack, self._prompts, self._base, self._token = store, pack, prompts, base.rstrip("/"), token
        self._versions = clocks.Versions(pack.sla)

    def take(self, pack: Pack, prompts: Prompts) -> None:
        """Go on with another version of the texts."""
        self._pack, self._prompts, self._versions = pack, prompts, clocks.Versions(pack.sla)

    @property
    def directory(self) -> Directory:
        """The teams and channels in use."""
        return self._pack.directory

    def message(self, letters: Sequence[RowMapping], key: str) -> Message:
        """One message for one letter, or for many that leave together."""
        if len(letters) == 1:
            return self._single(letters[0])
        singles = [self._single(letter) for letter in letters[:_MOST_LINES]]
        lines = [self._digest_line(row, m) for row, m in zip(letters, singles, strict=False)]
        values = {"count": len(letters), "lines": lines, "more": max(0, len(letters) - _MOST_LINES)}
        data = {
            "notices": [{"key": m.key, "type": m.kind, "data": dict(m.data)} for m in singles],
            **values,
        }
        return self._written(
            key, "digest", "notice/digest", values, f"{self._base}/desk", letters[-1]["created_at"], data
        )

    def note(self, letter: RowMapping) -> tuple[str, Note] | None:
        """A ticket and the note for its staff; None when a newer draft, which brings its own, has taken the place of this.

        Only a draft that may be sent as it stands is in it; else the brief for the person who writes, or the reason.
        Group and priority are set when they differ from those of the last note, so that what people changed stays.
        """
        payload: Json = letter["payload"]
        with self._store.read() as conn:
            draft = cases.get_draft(conn, payload["draft"]) if payload["draft"] else None
            before = mail.last_delivered(conn, letter["channel"], payload["case"])
        case, _, found = self._known(payload["case"], letter["created_at"])
        if draft and case["draft_id"] != draft["id"] and draft["state"] in {"stale", "sent_back"}:
            return None
        last: Json = before["payload"] if before else {}
        # Notes of one ticket may leave in any order, so what a person changed is set to how it stands now.
        known = payload if draft else {n: str(case[n] or "") for n in ("issue_type", "severity", "primary_team")}
        tags = [word for word in (known["issue_type"], known["severity"].lower()) if word]
        ours = {*self._pack.issue_types, *(level.lower() for level in self._pack.severities)}
        changed = {n: known[n] for n in ("primary_team", "severity") if known[n] != last.get(n)}
        text = self._ticket_text(payload, draft, found) if draft else self._changed_text(payload, found)
        note = Note(
            payload["case"], letter["id"], text, tuple(tags),
            tuple(sorted(ours - set(tags))), changed.get("primary_team", ""), changed.get("severity", ""),
            {"issue_type": payload["issue_type"]},
        )  # fmt: skip
        return case["external_id"], note

    def _ticket_text(self, payload: Json, draft: RowMapping, found: Sequence[Clock]) -> str:
        proposal: Json = draft["proposal"] or {}
        written: Json = draft["body"] or {}
        lead, brief = bool(proposal.get("human_lead")), draft["kind"] == "brief"
        what = "brief" if brief else "draft" if draft["state"] in _COPIED and written and not lead else ""
        why = _GONE.get(draft["state"]) or draft["state_reason"] or "a person has to look at it in the desk"
        kind = self._pack.issue_types.get(payload["issue_type"])
        values = {
            "issue": kind.title if kind else "not triaged yet", "severity": payload["severity"],
            "severity_reason": str(proposal.get("severity_reason", "")).rstrip("."),
            "lead": self._title(payload["primary_team"]) or "none", "facts": _facts(proposal),
            "others": [title for team in proposal.get("collaborators", ()) if (title := self._title(team))],
            "route_reason": str(proposal.get("route_reason", "")),
            "due": [self._line(c) for c in found if c.open and c.due_at and c.metric != "team_ack"],
            "human_lead_reason": str(proposal.get("human_lead_reason", "")).rstrip(".") if lead else "",
            "why_not": "" if what or lead else why.rstrip("."), "what": what, "link": self._link(payload["case"]),
        }  # fmt: skip
        head = self._prompts.render("notice/ticket", values).strip()
        subject = f"{written.get('subject')}\n\n" if what == "draft" and written.get("subject") else ""
        return f"{head}\n\n{subject}{written.get('body', '')}".strip() if what else head

    def _changed_text(self, payload: Json, found: Sequence[Clock]) -> str:
        """What a person changed about the case, without a draft."""
        values = {
            "severity": payload["severity"], "lead": self._title(payload["primary_team"]) or "none",
            "reason": str(payload.get("reason", "")).replace("_", " "), "link": self._link(payload["case"]),
            "due": [self._line(c) for c in found if c.open and c.due_at and c.metric != "team_ack"],
        }  # fmt: skip
        return self._prompts.render("notice/changed", values).strip()

    def _single(self, letter: RowMapping) -> Message:
        payload: Json = letter["payload"]
        match payload["kind"]:
            case "event":
                data = {name: value for name, value in payload.items() if name not in {"kind", "type", "at", "to"}}
                text = f"{payload['type']} {payload['case']}"
                at = datetime.fromisoformat(payload["at"])
                return Message(letter["id"], payload["type"], text, text, self._link(payload["case"]), data, at)
            case "pulled_in":
                return self._pulled_in(letter, payload)
            case "clocks":
                return self._clocks(letter, payload)
            case _:
                text = "This is a test of the channel; nothing happened."
                return Message(letter["id"], "test", "Test of the channel", text, self._base, {}, letter["created_at"])

    def _pulled_in(self, letter: RowMapping, payload: Json) -> Message:
        team, case_id = str(payload["team"]), str(payload["case"])
        case, proposal, found = self._known(case_id, letter["created_at"])
        kind = self._pack.issue_types.get(case["issue_type"])
        ack = next((c for c in found if c.id == f"team_ack:{team}"), None)
        values = {
            "case_id": case_id, "team": self._pack.teams[team].title, "does": self._pack.teams[team].does,
            "primary": case["primary_team"] == team, "lead": self._title(case["primary_team"]),
            "issue": kind.title if kind else "not triaged yet", "severity": case["severity"],
            "severity_reason": str(proposal.get("severity_reason", "")).rstrip("."),
            "route_reason": str(proposal.get("route_reason", "")), "facts": _facts(proposal),
            "needed_by": [self._line(c) for c in found if c.open and c.due_at and c.metric != "team_ack"],
            "ack_by": self._when(ack.due_at) if ack and ack.due_at else "", "precedents": _precedents(proposal),
            "avoid": list(AVOID), "human_lead_reason": str(proposal.get("human_lead_reason", "")).rstrip("."),
        }  # fmt: skip
        link = f"{self._base}/ack/{case_id}/{team}?token={self._token(case_id, team)}"
        data = {"case_id": case_id, "team": team, "severity": case["severity"], "issue_type": case["issue_type"]}
        return self._written(
            letter["id"], "team.pulled_in", "notice/pulled_in", values, link, letter["created_at"], data
        )

    def _clocks(self, letter: RowMapping, payload: Json) -> Message:
        case_id = str(payload["case"])
        case, _, _ = self._known(case_id, letter["created_at"])
        items: Sequence[Json] = payload["clocks"]
        kind = self._pack.issue_types.get(case["issue_type"])
        silent = next((i["clock"].partition(":")[2] for i in items if i["clock"].startswith("team_ack:")), "")
        breached = any(i["percent"] >= 100 and not i["clock"].startswith("team_ack:") for i in items)
        values = {
            "case_id": case_id, "issue": kind.title if kind else "not triaged yet", "severity": case["severity"],
            "breached": breached, "silent": self._title(silent), "lines": [self._told(i) for i in items],
        }  # fmt: skip
        data = {"case_id": case_id, "clocks": list(items)}
        kind_of = "sla.breached" if breached else "sla.at_risk"
        at = letter["created_at"]
        return self._written(letter["id"], kind_of, "notice/clocks", values, self._link(case_id), at, data)

    def _digest_line(self, letter: RowMapping, message: Message) -> str:
        """One notice of many: severity and matter, when it is due in its team's time zone, and where it is."""
        payload: Json = letter["payload"]
        if payload["kind"] == "event":
            return f"{message.subject}: {message.link}"
        due = [datetime.fromisoformat(i["due_at"]) for i in payload.get("clocks", ()) if i.get("due_at")]
        if payload["kind"] == "pulled_in":
            _, _, found = self._known(str(payload["case"]), letter["created_at"])
            due = [
                c.due_at
                for c in found
                if c.open and c.due_at and c.id in {"first_reply", f"team_ack:{payload['team']}"}
            ]
        zone = self._zone(str(payload.get("team", "")), letter["channel"])
        return f"{message.subject}{f', due {self._when(min(due), zone)}' if due else ''}: {message.link}"

    def _zone(self, team: str, channel: str) -> str:
        """The time zone of a team, else of the team that is told over a channel, else of the store."""
        told = [team] if team else [n for n, t in self._pack.teams.items() if channel in {t.channel, t.second_channel}]
        hours = next((self._pack.teams[n].hours for n in told if n in self._pack.teams), "")
        return self._pack.sla.calendars[hours].time_zone if hours else self._pack.store.time_zone

    def _told(self, item: Json) -> str:
        metric, _, key = str(item["clock"]).partition(":")
        name = f"{_WORDS.get(metric, metric)}{f' ({key})' if key and metric in {'team_ack', 'external'} else ''}"
        due = datetime.fromisoformat(item["due_at"]) if item.get("due_at") else None
        when = f", due {self._when(due)}" if due else ""
        late = "; this notice comes late" if item.get("late") else ""
        if item["percent"] >= 100:
            again = ", because its target was changed" if item.get("retargeted") else ""
            return f"{name} is overdue since {self._when(datetime.fromisoformat(item['at']))}{again}{late}"
        return f"{name}: {item['percent']} % of the time is used{when}{late}"

    def _known(self, case_id: str, now: datetime) -> tuple[RowMapping, Json, tuple[Clock, ...]]:
        with self._store.read() as conn:
            case = cases.get(conn, case_id)
            draft = cases.get_draft(conn, case["draft_id"]) if case["draft_id"] else None
            log = clocks.log_of(conn, [case_id])[case_id]
            found = standing(log, self._versions.book(conn), max(now, log[-1].at) if log else now).clocks
        return case, (draft["proposal"] if draft else None) or {}, found

    def _written(
        self,
        key: str,
        kind: str,
        template: str,
        values: Mapping[str, Any],
        link: str,
        at: datetime,
        data: Mapping[str, Any],
    ) -> Message:
        head, _, text = self._prompts.render(template, values).partition("\n")
        return Message(key, kind, head.removeprefix("Subject:").strip(), text.strip(), link, data, at)

    def _line(self, clock: Clock) -> str:
        name = _WORDS[clock.metric] + (f" ({clock.key})" if clock.metric == "external" else "")
        return f"{name}: {self._when(clock.due_at)}"

    def _when(self, at: datetime | None, zone: str = "") -> str:
        zone = zone or self._pack.store.time_zone
        return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M} ({zone})" if at else "when it goes on"

    def _title(self, team: str) -> str:
        return self._pack.teams[team].title if team in self._pack.teams else ""

    def _link(self, case_id: str) -> str:
        return f"{self._base}/desk/{case_id}"


def _facts(proposal: Json) -> list[str]:
    """What the team needs to know, without the customer's words or address."""
    entities: Json = proposal.get("entities") or {}
    lines: list[str] = []
    if ids := [str(e["value"]) for e in entities.get("order_ids", ())]:
        lines.append(f"order {', '.join(dict.fromkeys(ids))}")
    if sums := [f"{e['value']} {e.get('currency') or ''}".strip() for e in entities.get("amounts", ())]:
        lines.append(f"amounts named: {', '.join(dict.fromkeys(sums))}")
    if days := [str(e["value"]) for e in entities.get("deadlines", ())]:
        lines.append(f"dates that matter: {', '.join(dict.fromkeys(days))}")
    if things := [str(e["value"]) for e in entities.get("products", ())]:
        lines.append(f"articles: {', '.join(dict.fromkeys(things))}")
    if flags := proposal.get("flags"):
        lines.append(f"flags: {', '.join(flags).replace('_', ' ')}")
    if missing := proposal.get("missing_facts"):
        lines.append(f"still missing: {', '.join(missing).replace('_', ' ')}")
    return lines


def _precedents(proposal: Json) -> list[str]:
    """How like cases ended, from their redacted cards."""
    lines: list[str] = []
    for hit in list(proposal.get("precedents") or ())[:3]:
        remedy = str(hit.get("remedy") or hit.get("remedy_kind") or "").strip()
        lines.append(f"{hit.get('id')}: {remedy or 'no remedy noted'} ({hit.get('outcome') or 'outcome unknown'})")
    return lines
