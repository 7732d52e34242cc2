"""What can go wrong on the evals floor."""

from __future__ import annotations


class EvalsError(Exception):
    """Base of every error of this floor; the message is one sentence with the way out."""

    retryable: bool = False
    """Whether the same call may succeed later without a change."""


class DatasetError(EvalsError):
    """A dataset cannot be used: which file, which line, and how to mend it."""


class RunError(EvalsError):
    """A run cannot be begun, gone on with, read or blessed."""


class BeyondRangeError(EvalsError):
    """An answer lies outside the years or steps that were laid out."""


class IncomparableError(EvalsError):
    """Two runs answered other cases, or were scored by other scorers."""


class QueryError(EvalsError):
    """What is to be left out of a baseline cannot be understood."""


class BaselineError(EvalsError):
    """A baseline cannot be frozen, or is not what was frozen."""


class RatingError(EvalsError):
    """A rating cannot be planned or given."""
