"""The command line: `desk <command>`. Errors are one sentence on stderr and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

COMMANDS: Final = (
    "serve", "worker", "draft", "import", "import-mail", "clocks", "simulate", "reindex", "prepare", "doctor", "migrate",
    "baseline", "measures", "process", "key", "signin", "config", "prompts", "hooks", "notices", "eval", "audit", "erase", "backup",
    "restore", "version",
)  # fmt: skip
"""Each is a module `api.commands.<name>` with `HELP`, `arguments(parser)` and `run(args) -> int`; see `_module`."""

ERROR: Final = 2
STOPPED: Final = 130


class _Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(ERROR, f"desk: {message}; see `{self.prog} --help`.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _Parser(prog="desk", description="Escalation Desk: an escalation in, triage and a guarded draft out.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command", parser_class=_Parser)
    for name in COMMANDS:
        module = import_module(f"api.commands.{_module(name)}")
        command = commands.add_parser(name, help=module.HELP, description=(module.__doc__ or "").strip())
        module.arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        print("desk: stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, and so does what we would say about it
        return ERROR
    except _known() as error:
        print(f"desk: {error}", file=sys.stderr)
        return ERROR
    return code


def _module(name: str) -> str:
    """`import` is a word of Python, and no module has a hyphen in its name."""
    return "import_" if name == "import" else name.replace("-", "_")


def _known() -> tuple[type[Exception], ...]:
    """Errors whose message is for people; imported only when there is one."""
    from agent.errors import AgentError
    from api.errors import DeskError
    from evals.errors import EvalsError
    from retrieval.errors import RetrievalError

    return AgentError, DeskError, EvalsError, RetrievalError, OSError


if __name__ == "__main__":
    sys.exit(main())
