"""The time of a test that moves it itself: CLOCK is a file in which it stands."""

from datetime import datetime, timezone
from pathlib import Path

import time_machine
from django.conf import settings


class ClockMiddleware:
    """For as long as a request takes: the server around it goes on by the machine's clock."""

    def __init__(self, get_response):
        self._get_response = get_response

    def __call__(self, request):
        moment = datetime.fromisoformat(Path(settings.CLOCK).read_text()).replace(tzinfo=timezone.utc)
        with time_machine.travel(moment, tick=False):
            return self._get_response(request)
