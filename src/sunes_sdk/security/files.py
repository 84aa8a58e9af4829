"""Files that are read again when they change: certificates, keys and revocation lists that others renew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .._core.errors import ConfigurationError

_Stamp = tuple[int, int, int] | None


def read_file(path: Path, *, code: str, what: str) -> bytes:
    """Raises ConfigurationError `code` naming the file, not its folder."""
    try:
        return path.read_bytes()
    except OSError as e:
        raise ConfigurationError(
            f"cannot read {what}: {e.__class__.__name__}", code=code, path=path.name,
            hint="check the path and the rights of the file",
        ) from None  # fmt: skip


class WatchedFiles:
    """Tells, for the price of one `stat` a file, whether any of them changed since `seen` was last set.

    A stamp is (time of change in ns, size, inode); a file that is not there has none.
    """

    __slots__ = ("paths", "seen")

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self.seen = self.stamps()

    def stamps(self) -> tuple[_Stamp, ...]:
        return tuple(map(_stamp, self.paths))


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
