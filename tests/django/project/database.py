"""DATABASE_URL, in the spelling that the gateway uses too, as Django's settings."""

from urllib.parse import unquote, urlsplit


def database(url: str) -> dict:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": unquote(parts.path)}
    if parts.scheme == "mysql":
        # Wheels exist for PyMySQL only, and Django knows it by this name.
        import pymysql

        pymysql.install_as_MySQLdb()
        engine = "django.db.backends.mysql"
    elif parts.scheme == "postgres":
        engine = "django.db.backends.postgresql"
    else:
        raise ValueError(f"DATABASE_URL: unknown scheme {parts.scheme!r}")
    return {
        "ENGINE": engine,
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
