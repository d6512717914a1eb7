"""wapiti looks at every page of the gateway and attacks each parameter and form, as nobody and as somebody."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from urllib.parse import urlsplit

from clients.gateway import Upstream
from clients.servers import ENVIRONMENT
from faults.support import report, token
from scan.site import ASKED, FLAW, FORMS, HIDDEN_FLAW, Outside, Site

LOOKS = "http_headers,csp,cookieflags"
# Not csrf, which does not know the name of Django's field (`test_forged_forms`); not methods, which reports nothing;
# not nikto and wapp, which fetch their lists; not buster and brute_login_form, which guess.
ATTACKS = (
    "backup,blindsql,crlf,exec,file,htaccess,permanentxss,redirect,shellshock,sql,ssrf,xss,xxe"
)
ADMIN = ["/health/live", "/health/ready", "/metrics", "/requests/1"]

# The media type of the answer, what is said of it, and why it stays so.
KNOWN = [
    (".*", "X-XSS-Protection is not set", "no browser has that filter any more, and it had flaws of its own"),
    (".*", "HttpOnly .* : csrftoken", "as Django's: scripts read it to send it in a header; it proves nobody"),
    ("text/html", 'CSP attribute "(script|object)-src" is missing', "`default-src 'none'` stands in for it"),
    ("(?!text/html)", "CSP is not set", "not a document: no browser runs anything in it"),
    ("admin: ", "X-Frame-Options is not set", "text without anything to click, and not for browsers"),
    ("admin: ", "Strict-Transport-Security is not set", "it is HTTP, where browsers ignore it (RFC 6797, 8.1)"),
]


def setUpModule():
    global site, outside
    site, outside = Site(), Upstream(Outside)
    unittest.addModuleCleanup(site.stop)
    unittest.addModuleCleanup(outside.stop)


def wapiti(url, modules, *options):
    """What it has found: the category, the method and path, the parameter, and what it says of it."""
    with tempfile.TemporaryDirectory(prefix="portcullis-scan.") as folder:
        result = Path(folder, "report.json")
        command = ["wapiti", "--url", url, "--module", modules, "--endpoint", f"{outside.url}/", *options]
        command += ["--no-bugreport", "--store-session", folder, "--store-config", folder]
        command += ["--format", "json", "--output", result, "--timeout", "20"]
        done = subprocess.run(command, cwd=folder, env={**ENVIRONMENT, "HOME": folder}, capture_output=True, text=True)
        if done.returncode or "Traceback" in done.stdout + done.stderr or not result.exists():
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        said = json.loads(result.read_text())
    return [
        (category, f"{found['method']} {found['path']}", found["parameter"], found["info"])
        for kind in ("vulnerabilities", "anomalies", "additionals")
        for category, all_of_it in said[kind].items()
        for found in all_of_it
    ]


class Pages(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        outside.server.RequestHandlerClass.visits.clear()
        self.session, self.token = site.log_in(), token(site.gateway)
        self.credentials = {"nobody": [], "session": self.cookies(), "token": ["--header", f"Authorization: {self.token}"]}

    def cookies(self):
        more = {"version": 0, "expires": None, "secure": True, "port": None}
        jar = {name: {"value": value, **more} for name, value in self.session.cookies.items()}
        # Not its name alone: the scanner writes into the file.
        self.jar = Path(site.gateway.folder.name, "cookies.json")
        self.jar.write_text(json.dumps({"127.0.0.1": {"/": jar}}))
        return ["--cookie", str(self.jar)]

    def test_headers(self):
        """Attack: a page is framed, read as something else than it is, or runs what it should not; a cookie is read
        by a script or on a road without TLS."""
        unknown, used, count = set(), set(), 0
        for who, options in self.credentials.items():
            for path in [urlsplit(link).path for link in ASKED] + list(FORMS):
                for info in self.look(site.url + path, who, options):
                    count += 1
                    ...
