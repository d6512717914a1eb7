"""What the measurements share: servers that end with the script, a gateway's configuration, credentials, costs."""

import base64
import contextlib
import http.cookiejar
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field

ANSWER = '{"data":"' + "x" * 245 + '"}'  # 256 bytes, as a small API answer has.
PASSWORD = "correct horse"
# The key that tests/django has, for the comparison with it.
SECRET = "throwaway-secret-key-for-test-vectors-0123456789"

COMMON = """\
listen: 127.0.0.1:{port}
store: {{ url: "sqlite://{store}", create: true }}
secret_key: {secret}
authentication: [token, basic]
# The first look-up of a credential is not what is measured: none may fall into a round.
cache: {{ ttl: 1d }}
jwt: {{ access_lifetime: 1d }}
# What a hash costs is not measured either; valgrind would take minutes for Django's million.
passwords: {{ iterations: 1000 }}
# Refusals are measured by the hundred thousand.
lockout: false
log: {{ access: false, level: warn }}
routes:
  - {{ path: /accounts/, endpoint: session }}
  - {{ path: /api/token/, endpoint: jwt }}
  - {{ path: /api/auth/, endpoint: knox, authentication: [basic] }}
"""

ROUTES = """\
  - {{ path: /public/, permission: anyone, upstream: "{upstream}" }}
  - {{ path: /passed/, permission: anyone, authentication: [], upstream: "{upstream}" }}
  - {{ path: /session/, authentication: [session], upstream: "{upstream}" }}
  - {{ path: /jwt/, authentication: [jwt], upstream: "{upstream}" }}
  - {{ path: /knox/, authentication: [knox], upstream: "{upstream}" }}
  - path: /issuer/
    authentication: [{{ jwt: &issuer {{ issuer: "{issuer}", audience: bench, key: {key} }} }}]
    upstream: "{upstream}"
  - {{ path: /both/, authentication: [{{ jwt: *issuer }}, jwt], upstream: "{upstream}" }}
  - {{ path: /, upstream: "{upstream}" }}
"""
# A route that asks nobody, for the same requests.
PASSED = "/passed/"
ISSUER = "https://id.example/realms/bench"

NGINX_UPSTREAM = """\
daemon off; worker_processes 1; error_log stderr error; pid {folder}/upstream.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000; default_type application/json;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""

NGINX_PROXY = """\
daemon off; worker_processes 1; error_log stderr error; pid {folder}/proxy.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {folder}/p1; proxy_temp_path {folder}/p2; fastcgi_temp_path {folder}/p3;
    uwsgi_temp_path {folder}/p4; scgi_temp_path {folder}/p5;
    upstream api {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Case:
    """A request, and whether it gets in."""

    name: str
    path: str
    headers: dict = field(default_factory=dict)
    status: int = 200


# --- servers --------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"{process.args[-1]} ended before it served")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing serves on port {port}")


class Processes(contextlib.ExitStack):
    """Starts servers and ends them, whatever happens."""

    def start(self, core, *command, port, environment=None):
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)], env=os.environ | (environment or {})
        )
        self.callback(process.wait)
        self.callback(process.terminate)
        wait_for(port, process)
        return process

    def nginx(self, core, folder, name, text, port):
        file = pathlib.Path(folder, name + ".conf")
        file.write_text(text)
        return self.start(core, "nginx", "-e", "stderr", "-c", file, port=port)

    def upstream(self, core, folder):
        port = free_port()
        text = NGINX_UPSTREAM.format(folder=folder, port=port, answer=ANSWER)
        self.nginx(core, folder, "upstream", text, port)
        return port

    def proxy(self, core, folder, upstream):
        port = free_port()
        text = NGINX_PROXY.format(folder=folder, port=port, upstream=upstream)
        return self.nginx(core, folder, "proxy", text, port), port


# --- a gateway before the 256 bytes ---------------------------------------------------------------


def configure(binary, folder, upstream):
    """Writes the configuration, makes the user; gives file, port and what can be known before it runs."""
    port = free_port()
    file = pathlib.Path(folder, "gateway.yaml")
    key, token = issuer(pathlib.Path(folder))
    text = COMMON.format(port=port, store=f"{folder}/gateway.db", secret=SECRET)
    url = f"http://127.0.0.1:{upstream}"
    file.write_text(text + ROUTES.format(upstream=url, issuer=ISSUER, key=json.dumps(key)))
    command = [binary, "--config", str(file)]
    subprocess.run(
        [*command, "user", "create", "bench", "--password-stdin"],
        input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
    )
    # "Generated token KEY for user NAME"
    said = subprocess.run(
        [*command, "token", "create", "bench"], text=True, check=True, stdout=subprocess.PIPE
    ).stdout
    return file, port, {"token": "Token " + said.split()[2], "issuer": "Bearer " + token}


def issuer(folder):
    """The public key of an identity provider, and a token that it has signed with RS256."""
    private, now = folder / "issuer.pem", int(time.time())
    openssl("genrsa", "-out", private, "2048")
    claims = {
        "iss": ISSUER,
        "aud": "bench",
        "sub": "2f4c7a1e-95b0-4a53-8f0d-6f1f0d5b7c11",
        "email": "bench@example.com",
        "name": "Bench",
        "groups": ["editors", "staff"],
        "scope": "openid profile",
        "iat": now,
        "exp": now + 86_400,
    }
    header = {"alg": "RS256", "kid": "2026-11", "typ": "JWT"}
    signed = b".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    signature = openssl("dgst", "-sha256", "-sign", private, given=signed)
    return openssl("rsa", "-in", private, "-pubout").decode(), (signed + b"." + base64url(signature)).decode()


def openssl(*arguments, given=b""):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, check=True, capture_output=True)
    return done.stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def cases(port, known):
    """One request for each scheme; they need the gateway that makes some of the credentials."""
    own = log_in(port, "bench")
    return [
        Case("plain proxying", "/public/"),
        Case("token", "/", {"Authorization": known["token"]}),
        Case("Basic", "/", own["basic"]),
        Case("session", "/session/", own["session"]),
        Case("jwt", "/jwt/", own["jwt"]),
        Case("knox", "/knox/", own["knox"]),
        Case("jwt of an issuer", "/issuer/", {"Authorization": known["issuer"]}),
        Case("jwt, issuer before", "/both/", own["jwt"]),
        Case("anonymous, 401", "/", status=401),
    ]


# --- credentials ----------------------------------------------------------------------------------


def log_in(port, username):
    """Headers that prove the user, made by the gateway's own pages."""
    basic = "Basic " + base64.b64encode(f"{username}:{PASSWORD}".encode()).decode()
    fields = {"username": username, "password": PASSWORD}
    browser = Client(port)
    token = browser.ask("/accounts/login/")["csrf_token"]
    browser.ask("/accounts/login/", fields, {"X-CSRFToken": token})
    knox = Client(port).ask("/api/auth/login/", {}, {"Authorization": basic})["token"]
    return {
        "basic": {"Authorization": basic},
        # Both cookies, as a browser sends them.
        "session": {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)},
        "jwt": {"Authorization": "Bearer " + Client(port).ask("/api/token/", fields)["access"]},
        "knox": {"Authorization": "Token " + knox},
    }


class Client:
    """JSON, and cookies that are kept."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.cookies = http.cookiejar.CookieJar()
        keeper = urllib.request.HTTPCookieProcessor(self.cookies)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), keeper)

    def ask(self, path, data=None, headers=None):
        body = None if data is None else json.dumps(data).encode()
        kinds = {"Accept": "application/json", "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, body, kinds | (headers or {}))
        with self.opener.open(request) as answer:
            return json.load(answer)


# --- load and its cost ----------------------------------------------------------------------------


class Costs:
    """The least that each cost in any round."""

    def __init__(self):
        self.least, self._most = {}, {}

    def add(self, key, cost):
        self.least[key] = min(cost, self.least.get(key, cost))
        self._most[key] = max(cost, self._most.get(key, cost))

    def noise(self):
        """How many times the least the most was, at the worst."""
        return max(self._most[key] / self.least[key] for key in self.least)


def cpu_seconds(pid):
    """User and system time of a process and its children that are alive, to the nanosecond."""
    # clock_getcpuclockid(3) of another process.
    own = time.clock_gettime(~pid << 3 | 2)
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def drive(core, connections, port, path, case, seconds):
    """Requests answered; every answer must be the expected one."""
    headers = [word for name, value in case.headers.items() for word in ("-H", f"{name}: {value}")]
    said = subprocess.run(
        ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *headers,
         f"http://127.0.0.1:{port}{path}"],
        text=True, check=True, stdout=subprocess.PIPE,
    ).stdout
    requests = int(re.search(r"(\d+) requests in", said)[1])
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    refused = int(other[1]) if other else 0
    if not requests or refused != (0 if case.status < 400 else requests) or "Socket errors" in said:
        raise SystemExit(f"unexpected answers:\n{said}")
    return requests
