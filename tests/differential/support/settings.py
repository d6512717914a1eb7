"""The native project once more, for this process: it makes the rows that cases need, in any of the databases."""

import os

from .environment import DATABASES as URLS
from .environment import DEFAULT

os.environ.update(MODE="native", DATABASE_URL=URLS[DEFAULT])

from project.database import database  # noqa: E402
from project.settings import *  # noqa: E402, F403

DATABASES = {"default": {}} | {name: database(url) for name, url in URLS.items()}
DATABASE_ROUTERS = ["support.database.Router"]
PASSWORD_HASHERS = ["project.hashers.QuickPBKDF2PasswordHasher", *PASSWORD_HASHERS[1:]]  # noqa: F405
for each in URLS:
    # Cases are many, and this process is alone.
    DATABASES[each]["CONN_MAX_AGE"] = None
