"""Alerts and dashboard: by their own tools, and beside what a gateway shows."""

import json
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from clients.gateway import Gateway, free_port
from shipped.prometheus import Prometheus
from shipped.support import ALERTS, DEPLOY, lost, read_yaml, run

DASHBOARD = DEPLOY / "grafana/dashboard.json"
TESTS = Path(__file__).parent / "alerts.test.yaml"


def alerts():
    (group,) = read_yaml("prometheus", "alerts.yaml")["groups"]
    return group["rules"]


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    """Of the dashboard and of the alerts, with where they stand."""
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")
    for alert in alerts():
        yield alert["alert"], alert["expr"]


class Alerts(unittest.TestCase):
    def test_prometheus_takes_them(self):
        status, said = run("promtool", "check", "rules", ALERTS)
        self.assertEqual(status, 0, said)

    def test_they_fire_when_they_should_and_else_not(self):
        with tempfile.TemporaryDirectory(prefix="portcullis-alerts.") as folder:
            shutil.copy(ALERTS, folder)
            shutil.copy(TESTS, folder)
            status, said = run("promtool", "test", "rules", TESTS.name, folder=folder)
        self.assertEqual(status, 0, said)

    def test_each_fires_in_one_of_the_tests(self):
        fired = set(re.findall(r'alertname="(\w+)"', TESTS.read_text()))
        self.assertEqual(fired, {alert["alert"] for alert in alerts()})

    def test_each_says_how_bad_it_is_and_what_to_do(self):
        for alert in alerts():
            self.assertIn(alert["labels"]["severity"], ("critical", "warning"), alert["alert"])
            self.assertEqual(alert["annotations"].keys(), {"summary", "description"}, alert["alert"])


class Board(unittest.TestCase):
    def test_grafana_knows_every_key(self):
        plugins.register_default_plugins()
        before = json.loads(DASHBOARD.read_text())
        after = json.loads(JSONEncoder().encode(Dashboard.from_json(before)))
        self.assertEqual(list(lost(before, after)), [])

    def test_grafanas_model_would_notice(self):
        wrong = {"title": "wrong", "pannels": []}
        after = json.loads(JSONEncoder().encode(Dashboard.from_json(wrong)))
        self.assertEqual(list(lost(wrong, after)), ["/pannels"])

    def test_panels_do_not_lie_on_one_another(self):
        taken = {}
        for panel in panels():
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken[x, y] = panel["title"]
        ids = [panel["id"] for panel in panels()]
        self.assertEqual(len(ids), len(set(ids)))

    def test_prometheus_reads_every_expression(self):
        rules = [{"record": f"panel_{n}", "expr": expression} for n, (_, expression) in enumerate(expressions())]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
            file.flush()
            status, said = run("promtool", "check", "rules", file.name)
        self.assertEqual(status, 0, said)


class Series(unittest.TestCase):
    """A gateway that has just started shows every series that is looked for: `increase()` of one that
    first appears as 1 is 0, so that an alert would miss the first time."""

    @classmethod
    def setUpClass(cls):
        admin = free_port()
        gateway = Gateway(
            f"admin: 127.0.0.1:{admin}\nauthentication: [token, basic]\n"
            f"routes: [{{ path: /, upstream: {{ servers: ['http://127.0.0.1:{free_port()}'] }} }}]\n",
            "",
            [],
        )
        cls.addClassCleanup(gateway.stop)
        cls.prometheus = Prometheus(admin)
        cls.addClassCleanup(cls.prometheus.stop)

    def test_every_series_that_is_looked_for_is_there(self):
        missing = {series for _, expression in expressions() for series in selectors(expression)}
        missing = {series for series in missing if not self.prometheus.query(series)}
        self.assertEqual(missing, set())

    def test_every_label_that_is_grouped_by_is_there(self):
        missing = set()
        for place, expression in expressions():
            found = [one for series in selectors(expression) for one in self.prometheus.query(series)]
            known = {label for one in found for label in one["metric"]}
            groups = re.findall(r"\bby \(([^)]*)\)", expression)
            missing |= {(place, label) for group in groups for label in group.split(", ") if label not in known}
        self.assertEqual(missing, set())

    def test_every_alert_is_looked_at_and_none_fires(self):
        self.prometheus.until(lambda: all(rule["health"] != "unknown" for rule in self.prometheus.alerts()))
        rules = self.prometheus.alerts()
        self.assertEqual(len(rules), len(alerts()))
        self.assertEqual([rule for rule in rules if rule["health"] != "ok" or rule["state"] == "firing"], [])


def selectors(expression):
    """The gateway's series in an expression; the dashboard's variables let everything through."""
    found = re.findall(r"\bportcullis_\w+(?:\{[^}]*\})?", expression)
    return [series.replace("$job", ".*").replace("$instance", ".*") for series in found]
