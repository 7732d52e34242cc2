"""What can go wrong on the agent floor."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class AgentError(Exception):
    """Base of every error of this floor; the message is one sentence with the way out."""

    retryable: bool = False
    """Whether the same call may succeed later without a change."""


class BadInput(AgentError):
    """What came in cannot become an escalation: which field, and how to mend it."""

    def __init__(self, problem: str, *, field: str, fix: str) -> None:
        super().__init__(f"{field}: {problem}; {fix}." if field else f"{problem}; {fix}.")
        self.field = field
        """Path of the field in the wire form, e.g. `messages.0.text`; "" for the whole."""
        self.fix = fix
        """The way out, as half a sentence."""


class BrokenFile(AgentError):
    """A file of the pack or a prompt cannot be used: which file, which line, and how to mend it."""

    def __init__(self, path: object, line: int, problem: str, fix: str, column: int = 0) -> None:
        at = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{at}: {problem}; {fix}.")
        self.path = str(path)
        self.line = line
        """1-based line, 0 when the whole file is meant."""
        self.column = column
        """1-based column, 0 when the whole line is meant."""
        self.problem = problem
        self.fix = fix


@contextmanager
def noting(problems: list[BrokenFile] | None) -> Generator[None]:
    """Where a broken file is noted in `problems` and passed over; with None it is raised."""
    try:
        yield
    except BrokenFile as broken:
        if problems is None:
            raise
        problems.append(broken)
