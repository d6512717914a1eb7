"""Prometheus itself, which scrapes a gateway and reads the alerts."""

import json
import shutil
import tempfile
import time
import urllib.parse
from pathlib import Path

from clients.gateway import free_port
from clients.servers import Server
from shipped.support import ALERTS, fetch

CONFIGURATION = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{alerts}]
scrape_configs:
  - {{ job_name: portcullis, static_configs: [{{ targets: ["127.0.0.1:{admin}"] }}] }}
"""


class Prometheus:
    def __init__(self, admin):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-prometheus.")
        file = Path(self.folder.name, "prometheus.yaml")
        file.write_text(CONFIGURATION.format(alerts=ALERTS, admin=admin))
        port = free_port()
        options = [f"--config.file={file}", f"--storage.tsdb.path={self.folder.name}/data"]
        command = [shutil.which("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"]
        self.server = Server(command, port, self.folder.name)
        self.until(lambda: any(float(one["value"][1]) for one in self.query("up")))

    def until(self, happened):
        for _ in range(300):
            if happened():
                return
            time.sleep(0.1)
        raise RuntimeError(f"Prometheus does not get there:\n{self.server.said()}")

    def get(self, path, **parameters):
        status, body = fetch(f"{self.server.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        # While it starts it has no data and says so.
        return json.loads(body)["data"] if status == 200 else {}

    def query(self, expression):
        """What an expression finds now: each with its labels and its value."""
        return self.get("query", query=expression).get("result", [])

    def alerts(self):
        """The rules that have been looked at, with what became of it."""
        return [rule for group in self.get("rules").get("groups", []) for rule in group["rules"]]

    def stop(self):
        self.server.stop()
        self.folder.cleanup()
