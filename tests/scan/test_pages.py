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
# not nikto and wapp, which fetch their lists; not backup, buster and brute_login_form, which guess names.
ATTACKS = "blindsql,crlf,exec,file,htaccess,permanentxss,redirect,shellshock,sql,ssrf,xss,xxe"

# On what kind of answer, what is said of it, and why it stays so.
KNOWN = [
    (".*", "X-XSS-Protection is not set", "no browser has that filter any more, and it had flaws of its own"),
    ("site .*", "HttpOnly .* : csrftoken", "as Django's: scripts read it to send it in a header; it proves nobody"),
    ("site (application/json)?", "CSP is not set", "not a document: no browser runs anything in it"),
    ("site ", "X-(Frame|Content-Type)-Options is not set", "a decision's yes: for a proxy, and without a body"),
    ("admin .*", "CSP is not set", "not a document: no browser runs anything in it"),
    ("admin .*", "X-Frame-Options is not set", "text without anything to click on"),
    ("admin .*", "Strict-Transport-Security is not set", "plain HTTP, where it must not be sent (RFC 6797, 7.2)"),
]

# The scanner may ask nobody but the gateway, also where it looks for a newer list of its own.
ALONE = {"NO_PROXY": "127.0.0.1", "HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
ADMIN = ["/health/live", "/health/ready", "/metrics", "/requests/1"]


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
        environment = {**ENVIRONMENT, **ALONE, "HOME": folder, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        # A request may meet a connection that is just being closed. More of them are a part that was left out.
        skipped = sum(map(int, re.findall(r"(\d+) requests were skipped", done.stdout)))
        if done.returncode or done.stderr or skipped > 2:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        said = json.loads(result.read_text())
    return [
        (category, f"{found['method']} {found['path']}", found["parameter"], found["info"])
        for kind in ("vulnerabilities", "anomalies", "additionals")
        for category, all_found in said[kind].items()
        for found in all_found
    ]


class Nobody:
    options = ()

    def __init__(self):
        self.client = site.client()


class WithSession(Nobody):
    def __init__(self):
        self.client = site.log_in()
        more = {"version": 0, "expires": None, "port": None}
        jar = {cookie.name: {"value": cookie.value, "secure": cookie.secure, **more} for cookie in self.client.cookies}
        file = Path(site.gateway.folder.name, "cookies.json")
        file.write_text(json.dumps({"127.0.0.1": {"/": jar}}))
        self.options = ("--cookie", file)


class WithToken(Nobody):
    def __init__(self):
        super().__init__()
        self.client.headers["Authorization"] = token(site.gateway)
        self.options = ("--header", f"Authorization: {self.client.headers['Authorization']}")


class Pages(unittest.TestCase):
    maxDiff = None

    def test_headers(self):
        """Attack: a page is shown in a frame, is read as what it is not, or runs what it should not; a cookie is read
        by scripts, or by who listens on the way."""
        findings = []
        for someone in (Nobody(), WithSession(), WithToken()):
            for path in [urlsplit(asked).path for asked in ASKED] + list(FORMS):
                findings += self.look(someone, "site", site.url + path)
        for path in ADMIN:
            findings += self.look(Nobody(), "admin", site.admin + path)
        unnamed, used = set(), set()
        for kind, page, info in findings:
            rows = {row for row in KNOWN if re.fullmatch(row[0], kind) and re.fullmatch(row[1], info)}
            used |= rows
            if not rows:
                unnamed.add((kind, page, info))
        report(self, findings=len(findings), not_named=len(unnamed))
        self.assertEqual(sorted(unnamed), [])
        self.assertEqual([row for row in KNOWN if row not in used], [], "no longer found")

    def look(self, someone, where, url):
        answer = someone.client.get(url, headers={"Accept": HTML})
        kind = f"{where} {answer.headers.get('Content-Type', '').split(';')[0]}"
        return [(kind, page, info) for _, page, _, info in wapiti(url, LOOKS, "--scope", "page", *someone.options)]

    def attack(self, someone, url, *options):
        """Attack: something in a parameter, form or header is run, followed, fetched or given to the database."""
        Outside.visits.clear()
        # The page for log-ins has another form each time.
        found = wapiti(url, ATTACKS, "--depth", "2", *someone.options, *options)
        self.assertEqual(Outside.visits, [], "the gateway has gone to the attacker's server")
        return sorted((category, page) for category, page, _, _ in found)

    def test_nobody(self):
        self.assertEqual(self.attack(Nobody(), f"{site.url}/"), [("Cross Site Scripting", f"GET {FLAW}")])

    def check_somebody(self, someone):
        flaws = [("Cross Site Scripting", f"GET {page}") for page in (HIDDEN_FLAW, FLAW)]
        self.assertEqual(self.attack(someone, f"{site.url}/"), flaws)
        known = someone.client.get(f"{site.url}/whoami/").json()["username"]
        self.assertEqual(known, "alice", "the credential has ended in the middle of it")

    def test_session(self):
        self.check_somebody(WithSession())

    def test_token(self):
        self.check_somebody(WithToken())

    def test_admin(self):
        pages = [word for path in ADMIN for word in ("--start", f"{site.admin}{path}?query=1")]
        self.assertEqual(self.attack(Nobody(), f"{site.admin}/", *pages), [])

    def test_redirect_to_https(self):
        self.assertEqual(self.attack(Nobody(), f"{site.plain}/", "--start", f"{site.plain}/page/?next=1"), [])

    def test_forged_forms(self):
        """Attack: another site's page sends a form with the visitor's cookies. Where these count, the answer is 403;
        elsewhere it is that nobody has asked, or that what the form itself says is wrong."""
        client = WithSession().client
        for path, fields in {**FORMS, "/accounts/login/": ["username", "password"]}.items():
            with self.subTest(path):
                headers = {"Origin": "https://attacker.example"}
                answer = client.post(site.url + path, dict.fromkeys(fields, "1"), headers=headers)
                own_credential = path.startswith(("/jwt/", "/sliding/")) or "/knox/logout" in path
                self.assertEqual(answer.status_code, 401 if own_credential else 403)


if __name__ == "__main__":
    unittest.main()
