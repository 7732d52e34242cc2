"""What can go wrong on the api floor, in the desk's words; one table in the routes turns these into HTTP."""

from __future__ import annotations


class DeskError(Exception):
    """Base of every error of this floor; the message is one sentence that names the problem and the way out."""

    retryable: bool = False
    """Whether the same call may succeed later without a change."""


class SettingsError(DeskError):
    """A setting is broken; the desk does not start with it."""

    def __init__(self, variable: str, value: str, problem: str, fix: str) -> None:
        super().__init__(f"{variable}={value!r} is not usable: {problem} {fix}")
        self.variable, self.value, self.fix = variable, value, fix


class HomeInUseError(DeskError):
    """Another process owns this home."""


class StoreError(DeskError):
    """The database refused or failed."""


class StoreBusyError(StoreError):
    """Another process holds the database for longer than the desk waits."""

    retryable = True


class StoreFullError(StoreError):
    """The disk is full: nothing was stored and nothing was acknowledged."""

    retryable = True


class SchemaError(StoreError):
    """The database belongs to a newer desk, or was never set up."""


class NotFoundError(DeskError):
    """No such case, draft, key..."""

    def __init__(self, what: str, key: str) -> None:
        super().__init__(f"There is no {what} {key!r}.")
        self.what, self.key = what, key


class ForbiddenError(DeskError):
    """The principal may not do this."""


class SignInError(DeskError):
    """The key, session or sign-in link is unknown, expired or revoked."""


class SignatureError(DeskError):
    """A webhook is not signed by its sender, or was signed too long ago."""


class InvalidError(DeskError):
    """The request cannot be understood or contradicts itself."""


class ConflictError(DeskError):
    """The request does not fit the present state."""


class IdempotencyConflictError(ConflictError):
    """One Idempotency-Key (or delivery id) came with two different bodies."""


class DraftChangedError(ConflictError):
    """The draft or its case changed after the person read it."""


class LeaseLostError(DeskError):
    """The job was given to another worker in the meantime: this result is thrown away."""


class StaleWorkError(DeskError):
    """The case changed while the job worked on it: the job runs again on the new state."""

    retryable = True


class TamperedError(DeskError):
    """The event log does not match its hash chain."""

    def __init__(self, seq: int, problem: str) -> None:
        super().__init__(f"The event log is not intact at event {seq}: {problem} Restore it from a backup.")
        self.seq = seq


class PersonalTextError(DeskError):
    """An event was about to hold something that is not an id, enum, instant, number or keyed hash."""


class PartsError(DeskError):
    """Encoder, classifier or memory could not be loaded."""

    retryable = True


class UsageError(DeskError):
    """The command line, or a file that it names, cannot be used."""


class UnreadError(ConflictError):
    """Something of the draft has to be opened before it can be approved."""

    def __init__(self, missing: tuple[str, ...], said: str) -> None:
        super().__init__(said)
        self.missing = missing
        """Ids of what is still to be opened, e.g. `fact-3`."""


class BlockedError(ConflictError):
    """The guard holds something against the words that a person wrote."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__("The checks hold something against this text: " + " ".join(findings))
        self.findings = findings


class TooManyError(DeskError):
    """Too many wrong passwords came."""

    retryable = True

    def __init__(self, wait_s: int) -> None:
        minutes = max(1, round(wait_s / 60))
        super().__init__(f"Too many wrong passwords; wait {minutes} min, or use a sign-in link.")
        self.wait_s = wait_s
