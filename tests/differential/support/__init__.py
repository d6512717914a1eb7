"""What the tests say their cases with."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "support.settings"
import django  # noqa: E402

django.setup()

from . import database, rows, tokens  # noqa: E402, F401
from .browser import LOGIN, LOGOUT, Browser, use_after_log_out  # noqa: E402, F401
from .case import Case, Differential, Side, on_every_database  # noqa: E402, F401
from .differences import Differs, refusal  # noqa: E402, F401
from .http import (  # noqa: E402, F401
    basic,
    bearer,
    cookies,
    delete,
    form,
    get,
    head,
    multipart,
    options,
    patch,
    post,
    put,
    raw,
)
from .servers import Variant, default_classes  # noqa: E402, F401
from .timed import Timed  # noqa: E402, F401
