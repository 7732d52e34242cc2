"""Check the settings and the files that they name."""

from __future__ import annotations

import argparse

HELP = "check the settings and files, or write the schema files of prompts and pack"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with the settings."""
    about = "check: print every setting in use, then read pack and prompts; schema: as `desk prompts schema`"
    parser.add_argument("what", choices=["check", "schema"], help=about)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print the settings; a broken one, or a broken file, is told with file, line and fix."""
    if args.what == "schema":
        from api.commands.prompts import schema

        return schema(args)
    from agent.hookmap import load_hooks
    from agent.pack import load_pack
    from agent.prompts import load_prompts
    from api.commands.common import as_json, settings
    from api.integrations import config as integrations
    from api.settings import PREFIX
    from api.texts import HOOKS, SAMPLE

    found = settings()
    pack = load_pack(found.prompts, found.store or SAMPLE)
    load_hooks(found.prompts / HOOKS)
    integrations.load(found.prompts, pack)
    prompts = load_prompts(found.prompts)
    shown = {PREFIX + name.upper(): value for name, value in found.model_dump(mode="json").items()}
    if args.json:
        as_json({"settings": shown, "pack": pack.version, "prompts": len(prompts.all), "ok": True})
        return 0
    for name, value in shown.items():
        print(f"{name:24} {value if value not in (None, '', [], {}) else '-'}")
    print(f"\nPack {pack.version} of {pack.store.name} and {len(prompts.all)} prompt files are in order.")
    return 0
