"""What can go wrong between the desk and a helpdesk; no message quotes a ticket or a secret."""

from __future__ import annotations

from api.errors import DeskError


class HelpdeskError(DeskError):
    """Base of every error between the desk and a helpdesk."""


class SendGuardError(HelpdeskError):
    """A request was not on the list of those that no customer can see: it was refused and never left the desk."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The desk does not send this request: {problem}; only reading and private notes are allowed.")
        self.problem = problem


class HelpdeskUnavailableError(HelpdeskError):
    """The helpdesk did not answer, is overloaded or broke off; whether it took the request is not known."""

    retryable = True

    def __init__(self, problem: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{problem}; the desk tries again later.")
        self.retry_after = retry_after
        """Seconds that the helpdesk asks to wait, where it says so."""


class HelpdeskAuthError(HelpdeskError):
    """The helpdesk does not let the desk in; a person must mend client, secret or scopes."""


class HelpdeskRefusedError(HelpdeskError):
    """The helpdesk took the request for wrong; the same request will never be taken."""

    def __init__(self, problem: str, *, status: int) -> None:
        super().__init__(problem)
        self.status = status
        """HTTP status of the answer."""


class TicketChangedError(HelpdeskError):
    """The ticket changes faster than the desk can read and write it."""

    retryable = True
