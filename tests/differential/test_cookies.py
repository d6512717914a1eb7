"""`SESSION_COOKIE_*` and `CSRF_COOKIE_*`: each option, in what a log-in sets, what is read, what is deleted."""

import os

from support import Browser, Case, Differential, Differs, Variant, cookies, form, get, rows


class Options(Differential):
    """One log-in from the page to the end, under settings that the classes below name."""

    # Django's defaults.
    session, csrf = "sessionid", "csrftoken"

    def test_from_log_in_to_log_out(self):
        def conversation(side):
            browser = Browser(side, *self.headers)
            answer = browser.log_in()
            self.assertEqual(answer.status, 302)
            self.assertIn(self.session, browser.cookies)
            self.assertIn(self.csrf, browser.cookies)
            browser.get("/session/")
            browser.get("/api-auth/login/")
            browser.log_out()

        self.compare(conversation)

    def test_dead_session(self):
        self.compare(lambda side: side.send(get("/session/", f"Cookie: {self.session}={'x' * 32}", *self.headers)))

    headers: tuple = ()


class All(Options):
    session, csrf = "sid", "xsrf"
    variant = Variant(
        {
            "SESSION_COOKIE_NAME": "sid",
            "SESSION_COOKIE_DOMAIN": ".example.com",
            "SESSION_COOKIE_PATH": "/api",
            "SESSION_COOKIE_SAMESITE": "Strict",
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_HTTPONLY": False,
            "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
            "CSRF_COOKIE_NAME": "xsrf",
            "CSRF_COOKIE_DOMAIN": ".example.org",
            "CSRF_COOKIE_PATH": "/csrf",
            "CSRF_COOKIE_SAMESITE": "Strict",
            "CSRF_COOKIE_SECURE": True,
            "CSRF_COOKIE_HTTPONLY": True,
            "CSRF_COOKIE_AGE": 3600,
        },
        "session: { cookie: sid, domain: .example.com, path: /api, same_site: strict, secure: true, http_only: false,"
        " expire_at_browser_close: true }\n"
        "csrf: { cookie: xsrf, domain: .example.org, path: /csrf, same_site: strict, secure: true, http_only: true,"
        " age: 1h }\n",
    )


class SameSiteNone(Options):
    """Browsers take it with `Secure` only: Django adds that to a deletion too."""

    variant = Variant(
        {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SAMESITE": "None"},
        "session: { same_site: none, secure: true }\ncsrf: { same_site: none }\n",
    )


class NoSameSite(Options):
    variant = Variant(
        {"SESSION_COOKIE_SAMESITE": False, "CSRF_COOKIE_SAMESITE": False, "SESSION_COOKIE_AGE": 3600},
        "session: { same_site: false, age: 1h }\ncsrf: { same_site: false }\n",
    )


class CsrfAge(Options):
    variant = Variant({"CSRF_COOKIE_AGE": 60}, "csrf: { age: 60s }\n")


class SaveEveryRequest(Differential):
    """`SESSION_SAVE_EVERY_REQUEST`: who uses a session has it for longer, and each answer says until when."""

    variant = Variant({"SESSION_SAVE_EVERY_REQUEST": True}, "session: { save_every_request: true }\n")
    bob = [("_auth_user_backend", rows.MODEL_BACKEND), ("_auth_user_hash", True), ("_auth_user_id", "2")]
    unused = Differs(
        "A session that lets nobody in is not used, and ends when it was to end",
        set_cookie=[],
        database={"sessions": [{"key": 32, "expires": 10, "data": bob}]},
    )
    cases = [
        Case("about to expire", 200, lambda: get("/session/", cookies(sessionid=rows.session(age=600)))),
        Case("inactive user", 403, lambda: get("/session/", cookies(sessionid=rows.session("bob", age=600))), unused),
        Case("expired", 403, lambda: get("/session/", cookies(sessionid=rows.session(age=-1)))),
        Case("no cookie", 403, get("/session/")),
    ]

    def test_log_in(self):
        def conversation(side):
            browser = Browser(side)
            browser.log_in()
            browser.get("/session/")
            browser.get("/api-auth/login/")

        self.compare(conversation)


class SecretInSession(Differential):
    """`CSRF_USE_SESSIONS`: the log-in page makes a session to keep the secret in."""

    variant = Variant({"CSRF_USE_SESSIONS": True}, "csrf: { use_sessions: true }\n")

    def test_log_in_and_out(self):
        def conversation(side):
            browser = Browser(side)
            browser.log_in()
            browser.get("/session/")
            browser.get("/api-auth/login/")
            browser.submit("/session/")
            browser.log_out()

        self.compare(conversation)

    def test_form_without_a_session(self):
        token = "a" * 32
        request = form(
            "/api-auth/login/", cookies(csrftoken=token), csrfmiddlewaretoken=token, username="alice", password="x"
        )
        self.compare(lambda side: side.send(request))

    def test_session_without_a_secret(self):
        def conversation(side):
            browser = Browser(side).keep(sessionid=rows.session())
            browser.get("/api-auth/login/")
            browser.submit("/session/")

        self.compare(conversation)


class CachedDb(Options):
    """The same rows, and a cache before them, which Django's processes share."""

    variant = Variant(
        {
            "SESSION_ENGINE": "django.contrib.sessions.backends.cached_db",
            "SESSION_CACHE_ALIAS": "sessions",
            "CACHES": {
                "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
                "sessions": {
                    "BACKEND": "django.core.cache.backends.redis.RedisCache",
                    "LOCATION": os.environ["PORTCULLIS_TEST_REDIS"],
                },
            },
        },
        "session: { engine: cached_db }\n",
    )
    cases = [
        Case("row", 200, lambda: get("/session/", cookies(sessionid=rows.session()))),
        Case("expired row", 403, lambda: get("/session/", cookies(sessionid=rows.session(age=-1)))),
        Case("unknown", 403, get("/session/", cookies(sessionid="x" * 32))),
    ]
