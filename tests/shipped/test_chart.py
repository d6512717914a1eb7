"""The Helm chart: rendered by Helm itself, judged by Kubernetes' schemas and by the gateway."""

import re
import tomllib
import unittest

import helm_python as helm
import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator import v1 as operator

from clients.gateway import ROOT, Gateway, free_port
from shipped.support import DEPLOY, check, fetch, lost, read_yaml

CHART = DEPLOY / "helm"
# Variables of the kind that the chart's Secrets have.
SECRETS = {"DATABASE_URL": "postgres://api@database/api", "DJANGO_SECRET_KEY": "throwaway" * 5}

PEER = {"podSelector": {"matchLabels": {"app": "ingress"}}}
EVERYTHING = {
    "imagePullSecrets": [{"name": "registry"}],
    "networkPolicy": {"clients": [PEER], "egress": [{"to": [PEER]}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
}
LITTLE = {"autoscaling": {"enabled": False}, "networkPolicy": {"enabled": False}, "secrets": None}


def render(values=None):
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values or {}, name="portcullis", namespace="web")
    documents = (yaml.safe_load_all(text) for name, text in files.items() if name.endswith(".yaml"))
    return [document for several in documents for document in several if document]


def the(kind, documents):
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


class Chart(unittest.TestCase):
    def test_helms_linter_finds_nothing(self):
        for values in ({}, EVERYTHING, LITTLE):
            said = helm.lint(CHART, values, strict=True)
            # 1 is what it recommends: an icon.
            self.assertEqual([one for one in said["messages"] if one["severity"] > 1], [])
            self.assertEqual(said["errors"], [])

    def test_kubernetes_knows_every_key(self):
        oldest = re.search(r"[\d.]+", read_yaml("helm", "Chart.yaml")["kubeVersion"])[0]
        for values in ({}, EVERYTHING, LITTLE):
            for document in render(values):
                if document["apiVersion"].startswith("monitoring.coreos.com/"):
                    continue
                for version in (oldest, kubernetes_validate.latest_version()):
                    with self.subTest(kind=document["kind"], version=version):
                        kubernetes_validate.validate(document, version, strict=True)

    def test_the_operator_knows_every_key(self):
        monitor = the("ServiceMonitor", render(EVERYTHING))
        held = operator.ServiceMonitor.model_validate(monitor)
        held = held.model_dump(mode="json", by_alias=True, exclude_unset=True)
        self.assertEqual(list(lost(monitor, held)), [])

    def test_what_is_there(self):
        kinds = {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}
        self.assertEqual({document["kind"] for document in render(LITTLE)}, kinds)
        kinds |= {"HorizontalPodAutoscaler", "NetworkPolicy"}
        self.assertEqual({document["kind"] for document in render()}, kinds)
        self.assertEqual({document["kind"] for document in render(EVERYTHING)}, kinds | {"ServiceMonitor"})

    def test_values_that_are_wrong_are_refused(self):
        wrong = [
            {"replica": 3},
            {"replicas": 0},
            {"autoscaling": {"maximum": 5}},
            {"secrets": {"OTHER": {"name": "portcullis"}}},
            {"config": {"routes": []}},
            {"config": {"secret_key": None}},
            {"service": {"port": "http"}},
            {"networkPolicy": {"clients": "ingress"}},
        ]
        for values in wrong:
            with self.subTest(values=values), self.assertRaises(helm.HelmError):
                render(values)

    def test_the_version_is_the_gateways(self):
        cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
        self.assertEqual(read_yaml("helm", "Chart.yaml")["appVersion"], cargo)

    def test_an_autoscaler_and_a_number_of_pods_exclude_each_other(self):
        self.assertNotIn("replicas", the("Deployment", render())["spec"])
        self.assertEqual(the("Deployment", render(LITTLE))["spec"]["replicas"], 2)

    def test_everything_means_the_same_pods(self):
        documents = render(EVERYTHING)
        labels = the("Deployment", documents)["spec"]["template"]["metadata"]["labels"].items()
        services = [one for one in documents if one["kind"] == "Service"]
        selectors = [service["spec"]["selector"] for service in services]
        selectors += [the("PodDisruptionBudget", documents)["spec"]["selector"]["matchLabels"]]
        selectors += [the("NetworkPolicy", documents)["spec"]["podSelector"]["matchLabels"]]
        selectors += [the("Deployment", documents)["spec"]["selector"]["matchLabels"]]
        for selector in selectors:
            self.assertLessEqual(selector.items(), labels)
        monitored = the("ServiceMonitor", documents)["spec"]["selector"]["matchLabels"].items()
        found = [one["metadata"]["name"] for one in services if monitored <= one["metadata"]["labels"].items()]
        self.assertEqual(found, ["portcullis-metrics"])


class Hardening(unittest.TestCase):
    """Kubernetes' own standard for pods, `restricted`, and more."""

    @classmethod
    def setUpClass(cls):
        cls.documents = render()
        cls.pod = the("Deployment", cls.documents)["spec"]["template"]["spec"]
        (cls.container,) = cls.pod["containers"]

    def test_nothing_more_than_it_needs(self):
        of_pod, of_container = self.pod["securityContext"], self.container["securityContext"]
        self.assertEqual((of_pod["runAsNonRoot"], of_pod["runAsUser"]), (True, 65532))
        self.assertEqual(of_pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(of_container["capabilities"], {"drop": ["ALL"]})
        self.assertIs(of_container["allowPrivilegeEscalation"], False)
        self.assertIs(of_container["readOnlyRootFilesystem"], True)
        self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & self.pod.keys())

    def test_it_has_no_key_to_kubernetes(self):
        self.assertIs(self.pod["automountServiceAccountToken"], False)
        self.assertIs(the("ServiceAccount", self.documents)["automountServiceAccountToken"], False)

    def test_secrets_are_named_and_not_held(self):
        for variable in self.container["env"]:
            self.assertEqual(variable["valueFrom"].keys(), {"secretKeyRef"})
        self.assertEqual({variable["name"] for variable in self.container["env"]}, SECRETS.keys())

    def test_metrics_are_not_where_clients_are(self):
        ports = the("Service", self.documents)["spec"]["ports"]
        self.assertEqual([port["targetPort"] for port in ports], ["http"])
        rules = the("NetworkPolicy", self.documents)["spec"]["ingress"]
        (admin,) = [rule for rule in rules if rule["ports"] == [{"port": "admin"}]]
        self.assertTrue(admin["from"])

    def test_without_a_monitoring_peer_nobody_reads_metrics(self):
        rules = the("NetworkPolicy", render({"networkPolicy": {"monitoring": []}}))["spec"]["ingress"]
        self.assertEqual([rule["ports"] for rule in rules], [[{"port": "http"}]])


class Configuration(unittest.TestCase):
    """What the gateway makes of its file, and the chart's numbers beside its numbers."""

    @classmethod
    def setUpClass(cls):
        documents = render()
        cls.text = the("ConfigMap", documents)["data"]["gateway.yaml"]
        cls.config = yaml.safe_load(cls.text)
        cls.pod = the("Deployment", documents)["spec"]["template"]["spec"]
        (cls.container,) = cls.pod["containers"]

    def test_the_gateway_takes_it(self):
        self.assertEqual(check(self.text, **SECRETS)[0], 0, check(self.text, **SECRETS)[1])

    def test_what_a_user_gives_is_merged(self):
        routes = [{"path": "/", "upstream": "http://shop:8000"}]
        given = {"config": {"trusted_proxies": ["10.0.0.0/8"], "session": {"age": "1d"}, "routes": routes}}
        text = the("ConfigMap", render(given))["data"]["gateway.yaml"]
        self.assertEqual(yaml.safe_load(text)["routes"], routes)
        self.assertEqual(check(text, **SECRETS)[0], 0, check(text, **SECRETS)[1])

    def test_ports_are_the_ones_it_listens_on(self):
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        listens = {"http": self.config["listen"], "admin": self.config["admin"]}
        self.assertEqual({name: f"0.0.0.0:{port}" for name, port in ports.items()}, listens)

    def test_probes_find_what_they_ask_for(self):
        admin = free_port()
        config = {key: value for key, value in self.config.items() if key not in ("listen", "store", "secret_key")}
        # The chart's own server has a name that is only there in a cluster.
        routes = [{"path": "/", "upstream": "echo"}]
        gateway = Gateway(yaml.safe_dump({**config, "routes": routes, "admin": f"127.0.0.1:{admin}"}), "", [])
        self.addCleanup(gateway.stop)
        for probe in ("livenessProbe", "readinessProbe"):
            asked = self.container[probe]["httpGet"]
            self.assertEqual(asked["port"], "admin")
            self.assertEqual(fetch(f"http://127.0.0.1:{admin}{asked['path']}")[0], 200, probe)

    def test_there_is_time_to_end(self):
        before = self.container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = seconds(self.config["limits"]["drain"])
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], before + drain)

    def test_an_absent_database_does_not_take_all_pods_out_at_once(self):
        probe = self.container["readinessProbe"]
        patience = probe["failureThreshold"] * probe["periodSeconds"]
        self.assertGreaterEqual(patience, seconds(self.config["cache"]["grace"]))

    def test_a_changed_file_is_seen(self):
        self.assertEqual(self.container["args"], ["run", "--watch"])
        (mount,) = [one for one in self.container["volumeMounts"] if one["name"] == "config"]
        self.assertNotIn("subPath", mount)
        # What the image's entry point names is in that folder.
        entry = re.search(r'"(/\S+)/gateway\.yaml"\]', (DEPLOY / "Dockerfile").read_text())[1]
        self.assertEqual(mount["mountPath"], entry)


def seconds(period):
    number, unit = re.fullmatch(r"(\d+)([smh])", period).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]
