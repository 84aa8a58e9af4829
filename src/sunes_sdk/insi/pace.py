"""How fast the service is called: never more than so many calls in any minute."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from .._core.clock import Clock

_MINUTE: Final = timedelta(minutes=1)


class Pace:
    """Lets at most `per_minute` calls start in any minute; the others wait their turn, in the order in which they came.

    Thread-safe, bounded memory. wait: how to wait some seconds.
    """

    def __init__(self, per_minute: int, *, clock: Clock, wait: Callable[[float], None]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._wait = wait
        self._starts: deque[datetime] = deque(maxlen=per_minute)
        self._seen = clock.now()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until a call may start."""
        with self._lock:
            now = self._clock.now()
            if now < self._seen:
                self._starts.clear()  # the clock was set back: a wait by the old time might be endless
            self._seen = now
            is_full = len(self._starts) == self._per_minute
            start = max(now, self._starts[0] + _MINUTE) if is_full else now
            self._starts.append(start)
        if start > now:
            self._wait((start - now).total_seconds())
