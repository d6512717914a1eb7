"""What both measurements need: a gateway with one user in a folder of its own, and an upstream."""

import base64
import contextlib
import pathlib
import socket
import subprocess
import time

ANSWER = '{"data":"' + "x" * 245 + '"}'  # 256 bytes, as a small API answer has.

CONFIG = """\
listen: 127.0.0.1:{port}
store: {{ url: "sqlite://{folder}/gateway.db" }}
authentication: [token, basic]
routes:
  - path: /public/
    permission: anyone
    upstream: http://127.0.0.1:{upstream}
  - path: /
    upstream: http://127.0.0.1:{upstream}
# The first look-up of a credential is not what is measured: none may fall into a round.
cache: {{ ttl: 1d }}
# What a hash costs is not measured either; valgrind would take minutes for Django's million.
passwords: {{ iterations: 1000 }}
# Refusals are measured by the hundred thousand.
lockout: false
log: {{ access: false, level: warn }}
"""

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

    def start(self, core, *command, port):
        process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)])
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


def configure(binary, folder, upstream):
    """Writes the configuration, makes the user; gives file, port and the credentials' headers."""
    port = free_port()
    file = pathlib.Path(folder, "gateway.yaml")
    file.write_text(CONFIG.format(folder=folder, port=port, upstream=upstream))
    command = [binary, "--config", str(file)]
    subprocess.run([*command, "user", "create", "bench", "--password-stdin"],
                   input="correct horse", text=True, check=True, stdout=subprocess.DEVNULL)
    # "Generated token KEY for user NAME"
    said = subprocess.run([*command, "token", "create", "bench"],
                          text=True, check=True, stdout=subprocess.PIPE).stdout
    basic = base64.b64encode(b"bench:correct horse").decode()
    return file, port, {"token": "Token " + said.split()[2], "basic": "Basic " + basic}
