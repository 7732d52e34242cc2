"""Check, preview, compare, activate and roll back what the desk writes and decides by: the files of prompts and pack."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.auth import Principal
    from api.prompting import Outcome
    from api.wiring import Runtime

HELP = "check, preview, activate and roll back prompts and pack"

_FACTS = {"untrusted": "33", "store": "36", "system": "32"}
"""Colours of a terminal for values by who wrote them; `--origins` says it in words."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command each."""
    what = parser.add_subparsers(dest="what", required=True, metavar="what")

    def add(name: str, run: Callable[..., int], help_: str, *, who: bool = False) -> argparse.ArgumentParser:
        one = what.add_parser(name, help=help_, description=help_)
        one.add_argument("--json", action="store_true", help="for programs")
        if who:
            one.add_argument("--as", dest="who", metavar="NAME", help="the admin who does it (default: the first one)")
        one.set_defaults(verb=run)
        return one

    one = add("list", _list, "every file with how far its version on disk came")
    one.add_argument("--changed", action="store_true", help="only those that differ from the active version")
    one = add("check", _check, "lint the files on disk and render them on all fixtures")
    one.add_argument("--changed", action="store_true", help="render only what differs from the active version")
    one = add("preview", _preview, "the text of a prompt for one case")
    one.add_argument("id", help="e.g. reply/en/chargeback")
    one.add_argument("--case", default="", metavar="FIXTURE", help="the case (default: the first that fits)")
    one.add_argument("--of", default="disk", metavar="VERSION", help="disk (default), active, or a version")
    one.add_argument("--origins", action="store_true", help="say where each part comes from")
    one = add("diff", _diff, "how a file on disk differs from the active version")
    one.add_argument("id", nargs="?", default="", help="default: all that differ")
    one.add_argument("versions", nargs="*", default=[], help="two versions: active, disk, or from `history`")
    one = add("rehearse", _rehearse, "what the files on disk would change on known cases", who=True)
    one.add_argument("ids", nargs="*", metavar="id", help="only these, with their partials (default: all)")
    one.add_argument("--cases", type=int, default=None, metavar="N", help="the newest N real cases (default: 50)")
    one.add_argument("--eval-set", action="store_true", help="only the stored eval set, unless --cases is given too")
    one.add_argument("--most", type=int, default=None, metavar="N", help="at most N cases of the eval set")
    one = add("activate", _activate, "make the files on disk the active version", who=True)
    one.add_argument("ids", nargs="*", metavar="id", help="only these, with their partials (default: all)")
    one.add_argument("--reason", required=True, help="why, in a sentence")
    one.add_argument("--evidence", default="", metavar="ID", help="of a rehearsal or eval that passed")
    one.add_argument("--override", default="", metavar="WHY", help="why it may go live without evidence")
    one = add("confirm", _confirm, "let what another admin proposed become active", who=True)
    one.add_argument("number", type=int, help="of the proposal")
    one = add("history", _history, "who changed what, when and why")
    one.add_argument("id", nargs="?", default="", help="of one file")
    one = add("rollback", _rollback, "go back to an earlier version", who=True)
    one.add_argument("ids", nargs="*", metavar="id", help="only these, with their partials (default: all)")
    one.add_argument("--to", default="", metavar="VERSION", help="from `history` (default: the one before)")
    one.add_argument("--reason", required=True, help="why, in a sentence")
    add("schema", schema, "write the JSON Schema files by which editors help with prompt and pack files")


def run(args: argparse.Namespace) -> int:
    """Do it; exit code 1 when something is broken or waits for a second person."""
    verb: Callable[..., int] = args.verb
    if verb is schema:
        return verb(args)
    from api.commands.common import runtime

    with runtime(settle=False) as desk:
        return verb(args, desk)


def _who(args: argparse.Namespace, desk: Runtime) -> Principal:
    from api.errors import NotFoundError
    from api.sample import first_admin

    if not args.who:
        return first_admin(desk)
    found = desk.doors.principal_named(args.who)
    if found is None:
        raise NotFoundError("person or program named", args.who)
    return found


def _print(value: Any) -> None:
    from api.commands.common import as_json

    as_json(value)


def _list(args: argparse.Namespace, desk: Runtime) -> int:
    from dataclasses import asdict

    rows = [row for row in desk.prompting.state() if not args.changed or row.state != "active"]
    if args.json:
        _print({"active": desk.texts.tree, "policy": desk.texts.activation.policy, "files": [asdict(r) for r in rows]})
        return 0
    for row in rows:
        print(f"{row.state:10} {row.active[:16] or '-':16} {row.disk[:16] or '-':16} {row.id}  {row.title}")
        if row.problem is not None:
            print(f"           {row.problem.sentence}")
    if not rows:
        print("Every file on disk is the active version.")
    return 0


def _check(args: argparse.Namespace, desk: Runtime) -> int:
    from dataclasses import asdict

    report = desk.prompting.check(everything=not args.changed)
    if args.json:
        problems = [asdict(problem) for problem in report.problems]
        _print(
            {"ok": not problems, "problems": problems, "rendered": report.rendered, "changed": sorted(report.changed)}
        )
        return int(bool(problems))
    for problem in report.problems:
        print(problem.sentence)
    if report.problems:
        print("Nothing of this is in use; the active version stays until it is mended.")
        return 1
    differ = len(report.changed)
    what = f"{differ} differ from the active version" if differ else "all are the active version"
    print(f"The files are in order: {report.rendered} texts rendered, {what}.")
    return 0


def _preview(args: argparse.Namespace, desk: Runtime) -> int:
    import sys

    tried = desk.prompting.preview(args.id, args.case, of=args.of)
    if args.json:
        from dataclasses import asdict

        problems = [asdict(problem) for problem in tried.problems]
        _print({"id": args.id, "text": tried.text, "segments": list(tried.segments), "problems": problems})
        return int(bool(problems))
    for problem in tried.problems:
        print(problem.sentence)
    for part in tried.segments:
        if args.origins:
            print(f"{part['trust']:9} {part['source'] or '-':24} {part['text']!r}")
        elif sys.stdout.isatty() and part["trust"] in _FACTS:
            print(f"\033[{_FACTS[part['trust']]}m{part['text']}\033[0m", end="")
        else:
            print(part["text"], end="")
    return int(bool(tried.problems))


def _diff(args: argparse.Namespace, desk: Runtime) -> int:
    if len(args.versions) not in {0, 2}:
        from api.errors import UsageError

        raise UsageError("Give two versions, e.g. `desk prompts diff reply/en/chargeback active disk`, or none.")
    ids = [args.id] if args.id else list(desk.prompting.check().changed)
    found = {id_: desk.prompting.diff(id_, *args.versions) for id_ in ids}
    if args.json:
        _print({"diffs": {id_: text for id_, text in found.items() if text}})
        return 0
    print("\n".join(text for text in found.values() if text) or "No text differs.")
    return 0


def _rehearse(args: argparse.Namespace, desk: Runtime) -> int:
    from api.commands import common
    from api.rehearsing import LAST, as_json, rehearse

    last = args.cases if args.cases is not None else 0 if args.eval_set else LAST
    common.loaded(desk)
    with common.progress("Rehearsing") as advance:
        told = rehearse(
            desk, _who(args, desk), args.ids or None, last=last, eval_set=args.eval_set or args.cases is None,
            most=args.most, progress=advance,
        )  # fmt: skip
    result = told.result
    if args.json:
        _print(as_json(told))
        return int(not result.passed)
    for one in result.changed:
        print(f"{one.name}: {', '.join(one.kinds)}")
        for why in one.worse:
            print(f"  worse: {why}")
        for change in one.changes:
            if change.kind != "text":
                print(f"  {change.kind}: {change.before or '-'} -> {change.after or '-'}")
        if "text" in one.kinds:
            print("\n".join(f"  {line}" for line in one.diff()))
    print(f"{result.summary}. Kept as evidence {told.evidence.id}.")
    return int(not result.passed)


def _activate(args: argparse.Namespace, desk: Runtime) -> int:
    ids = args.ids or None
    given = {"reason": args.reason, "evidence": args.evidence, "override": args.override}
    return _told(args, desk.prompting.activate(_who(args, desk), ids, **given))


def _confirm(args: argparse.Namespace, desk: Runtime) -> int:
    return _told(args, desk.prompting.confirm(_who(args, desk), args.number))


def _rollback(args: argparse.Namespace, desk: Runtime) -> int:
    return _told(args, desk.prompting.rollback(_who(args, desk), args.ids or None, to=args.to, reason=args.reason))


def _told(args: argparse.Namespace, outcome: Outcome) -> int:
    entry, waits = outcome.entry, outcome.waits_for
    if args.json:
        from dataclasses import asdict

        _print({**asdict(entry), "waits_for": list(waits)})
    elif waits:
        shown = ", ".join(waits[:5]) + (f" and {len(waits) - 5} more" if len(waits) > 5 else "")
        print(f"Proposal {entry.seq} waits for a second admin because of {shown}.")
        print(f"It becomes active with `desk prompts confirm {entry.seq} --as NAME`.")
    else:
        print(
            f"Active now: version {entry.to_tree[:16]}; {len(entry.changes)} files changed. Every desk uses it within 2 s."
        )
    return int(bool(waits))


def _history(args: argparse.Namespace, desk: Runtime) -> int:
    entries = desk.prompting.history(args.id)
    if args.json:
        from dataclasses import asdict

        _print({"entries": [asdict(entry) for entry in entries]})
        return 0
    for entry in entries:
        at = entry.at.strftime("%Y-%m-%d %H:%M")
        what = f"{entry.changes[args.id][1][:16] or 'removed'}" if args.id else f"{entry.to_tree[:16]}"
        print(
            f"{entry.seq:4} {at} {entry.action:11} {what} {len(entry.changes):3} files  {entry.actor}: {entry.reason}"
        )
        if entry.evidence:
            print(f"     on {entry.evidence}")
    if not entries:
        print(f"There is no version of {args.id}.")
    return 0


def schema(args: argparse.Namespace) -> int:
    """Write the schema files."""
    from api.commands.common import settings
    from api.schemas import write_schemas

    written = write_schemas(settings().prompts)
    if args.json:
        _print({"written": written})
    else:
        print(f"{len(written)} schema files are up to date.")
    return 0
