"""Cases in which a second decides: the clock of both sides, and of the case, stands still until it is moved."""

import os
from datetime import datetime, timedelta, timezone

import time_machine

from .case import Differential
from .servers import clock_file


class Timed(Differential):
    # What one conversation has left in a server's memory, such as counts of a minute, is over in the next. All of them
    # are within two days: for these the project behind the gateway has been told the keys.
    _next = datetime(2030, 1, 1, tzinfo=timezone.utc)
    _apart = timedelta(minutes=5)

    def compare(self, conversation, differs=None, remembered=()):
        def timed(side):
            self._begin()
            conversation(side)

        with time_machine.travel(self._next, tick=False) as self._clock:
            self._tell()
            super().compare(timed, differs, remembered)

    def wait(self, seconds):
        self._clock.shift(seconds)
        self._tell()

    def _begin(self):
        Timed._next += self._apart
        self._clock.move_to(self._next)
        self._tell()

    def _tell(self):
        """As libfaketime reads it. At one blow: a server that reads at this moment must not find half of it."""
        written = clock_file().with_suffix(".new")
        written.write_text(datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"))
        os.replace(written, clock_file())
