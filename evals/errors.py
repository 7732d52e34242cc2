"""What can go wrong on the evals floor."""

from __future__ import annotations


class EvalsError(Exception):
    """Base of every error of this floor; the message is one sentence with the way out."""

    retryable: bool = False
    """Whether the same call may succeed later without a change."""


class DatasetError(EvalsError):
    """A line of the dataset is no labelled escalation."""


class BeyondRangeError(EvalsError):
    """An answer lies outside the years or steps that were laid out."""


class QueryError(EvalsError):
    """What is to be left out of a baseline cannot be understood."""


class BaselineError(EvalsError):
    """A baseline cannot be frozen, or is not what was frozen."""
