"""OpenTelemetry: what a collector is sent, and what upstreams are told. The collector is a page that reads OTLP by its
own messages; one of the real ones comes neither from Debian nor from PyPI. Only with a binary that was built with the
feature `otel`."""

import socket
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from beside.support import Upstream
from clients.servers import portcullis
from faults.support import PASSWORD, Gateway, basic, free_port, until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
API_KEY = "key-of-the-collector"
ROUTES = """
traces: {{ endpoint: "http://127.0.0.1:{collector}/v1/traces", sample: {sample}, headers: {{ X-Api-Key: {key} }} }}
trusted_proxies: [{trusted}]
authentication: [basic]
routes:
  - {{ path: /, upstream: "http://127.0.0.1:{upstream}" }}
  - {{ path: /own/, endpoint: whoami }}
"""


def setUpModule():
    with tempfile.TemporaryDirectory(prefix="portcullis-beside.") as folder:
        yaml = ROUTES.format(collector=1, sample=1, key=API_KEY, trusted="", upstream=2)
        Path(folder, "gateway.yaml").write_text('store: { url: "sqlite://store.db", create: true }\n' + yaml)
        done = portcullis(folder, "check")
    said = done.stdout + done.stderr
    if done.returncode and "--features otel" in said:
        raise unittest.SkipTest(f"not tested, for {said.strip()}")
    if done.returncode:
        raise AssertionError(said)


class Collector:
    def __init__(self):
        self.asked, self.bodies, self.keys = [], [], set()
        collector = self

        class Page(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.bodies.append(body)
                collector.keys.add(self.headers["X-Api-Key"])
                collector.asked.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def spans(self):
        resources = [resource for request in self.asked for resource in request.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


def told(span):
    def value(any_value):
        return getattr(any_value, any_value.WhichOneof("value"))

    return {attribute.key: value(attribute.value) for attribute in span.attributes}


class Traces(unittest.TestCase):
    def start(self, sample=1, trusted="", collector=None, upstream=None, more=""):
        self.upstream, self.collector = Upstream(), Collector()
        self.addCleanup(self.upstream.stop)
        self.addCleanup(self.collector.stop)
        yaml = ROUTES.format(
            collector=collector or self.collector.port,
            sample=sample,
            key=API_KEY,
            trusted=trusted,
            upstream=upstream or self.upstream.port,
        )
        self.gateway = Gateway(yaml + more)
        self.addCleanup(self.gateway.discard)

    def ask(self, target, *fields, name="alice", password=PASSWORD):
        headers = dict(field.split(": ", 1) for field in fields)
        return self.gateway.ask(target, basic(name, password), headers=headers)

    def seen(self):
        """The `traceparent` of each request that the upstream got."""
        return [value for message in self.upstream.taken() for value in message.values("traceparent")]

    def ended(self):
        """All spans, when the gateway has ended."""
        self.gateway.process.terminate()
        self.assertEqual(self.gateway.process.wait(), 0)
        return self.collector.spans()

    def test_a_request_and_its_upstream(self):
        self.start()
        self.assertEqual(self.ask("/orders/7?secret=1", f"traceparent: {SAMPLED}").status, 200)
        spans = self.ended()
        server = next(span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
        client = next(span for span in spans if span.kind == Span.SPAN_KIND_CLIENT)
        self.assertEqual(len(spans), 2)
        self.assertEqual({span.trace_id.hex() for span in spans}, {TRACE})
        self.assertEqual((server.parent_span_id.hex(), client.parent_span_id), (PARENT, server.span_id))
        self.assertEqual(self.seen(), [f"00-{TRACE}-{client.span_id.hex()}-01"])
        self.assertEqual((server.name, client.name), ("GET /", "GET"))
        self.assertEqual(
            told(server),
            {
                "http.request.method": "GET",
                "http.response.status_code": 200,
                "url.path": "/orders/7",
                "http.route": "/",
                "client.address": "127.0.0.1",
                "portcullis.scheme": "basic",
            },
        )
        self.assertLessEqual(server.start_time_unix_nano, client.start_time_unix_nano)
        resource = self.collector.asked[0].resource_spans[0].resource
        self.assertEqual(told(resource)["service.name"], "portcullis")
        self.assertEqual(self.collector.keys, {API_KEY})

    def test_no_secret_is_sent(self):
        """Attack: read in the traces what nobody may log."""
        self.start()
        self.ask("/orders/7?secret=in-the-query", "Cookie: sessionid=in-the-cookie")
        self.ask("/orders/7", password="not-her-password")
        self.ended()
        sent = b"".join(self.collector.bodies)
        self.assertIn(b"/orders/7", sent)
        for secret in [PASSWORD, "in-the-query", "in-the-cookie", "not-her-password", basic("alice", PASSWORD)[6:]]:
            self.assertNotIn(secret.encode(), sent)

    def test_a_refusal_has_no_upstream(self):
        self.start()
        self.assertEqual(self.ask("/", password="wrong").status, 401)
        self.assertEqual(self.ask("/own/").status, 200)
        spans = self.ended()
        self.assertEqual([span.kind for span in spans], [Span.SPAN_KIND_SERVER] * 2)
        self.assertEqual([span.status.code for span in spans], [Status.STATUS_CODE_UNSET] * 2)

    def test_a_failure_is_an_error(self):
        self.start(upstream=free_port())
        self.assertEqual(self.ask("/").status, 502)
        for span in self.ended():
            self.assertEqual((span.status.code, told(span)["error.type"]), (Status.STATUS_CODE_ERROR, "502"))

    def test_a_request_of_no_trace_begins_one(self):
        self.start()
        for field in ["", f"traceparent: {SAMPLED.upper()}", "traceparent: 00-" + "0" * 32 + f"-{PARENT}-01"]:
            self.ask("/", *filter(None, [field]))
        spans = [span for span in self.ended() if span.kind == Span.SPAN_KIND_SERVER]
        self.assertEqual(len({span.trace_id for span in spans}), 3)
        self.assertEqual({span.parent_span_id for span in spans}, {b""})
        for traceparent in self.seen():
            self.assertRegex(traceparent, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
            self.assertNotIn(TRACE, traceparent)

    def test_what_is_not_sampled_goes_on_as_it_is(self):
        self.start(sample=0)
        self.ask("/", f"traceparent: {UNSAMPLED}", "tracestate: vendor=1")
        self.assertEqual(self.seen(), [UNSAMPLED])
        self.assertEqual(self.ended(), [])

    def test_a_stranger_has_no_say_in_what_is_sampled(self):
        """Attack: say of each request that it is sampled, so that it costs a trace."""
        self.start(sample=0)
        self.ask("/", f"traceparent: {SAMPLED}")
        self.assertEqual(self.seen(), [SAMPLED])
        self.assertEqual(self.ended(), [])

    def test_a_client_cannot_cut_the_trace(self):
        """Attack: name the field in `Connection`, so that the gateway takes it out as the client's."""
        self.start()
        self.ask("/", f"traceparent: {SAMPLED}", "Connection: traceparent")
        client = next(span for span in self.ended() if span.kind == Span.SPAN_KIND_CLIENT)
        self.assertEqual(self.seen(), [f"00-{TRACE}-{client.span_id.hex()}-01"])

    def test_the_state_of_another_trace_ends_with_it(self):
        self.start()
        self.ask("/", "traceparent: nonsense", "tracestate: vendor=1")
        self.ask("/", f"traceparent: {SAMPLED}", "tracestate: vendor=2")
        states = [message.values("tracestate") for message in self.upstream.taken()]
        self.assertEqual(states, [[], ["vendor=2"]])
        self.ended()

    def test_nothing_is_lost_by_reloads(self):
        """One that changes where spans are from, and one that is refused after it had."""
        self.start()
        self.ask("/one/")
        self.change("service_name: other, ")
        self.gateway.reload()
        self.ask("/two/")
        self.change("service_name: third, ", "nonsense: 1\n")
        self.gateway.hangup()
        until("it is refused", lambda: "the old configuration stays" in Path(self.gateway.log.name).read_text())
        self.ask("/three/")
        paths = {told(span).get("url.path") for span in self.ended()}
        self.assertLessEqual({"/one/", "/two/", "/three/"}, paths)

    def change(self, setting, more=""):
        text = self.gateway.file.read_text().removeprefix(self.gateway.head)
        self.gateway.write(text.replace("traces: { ", "traces: { " + setting) + more)

    def test_what_a_client_makes_long_or_new_is_cut(self):
        """Attack: methods and paths without end, each of which the collector keeps."""
        self.start()
        self.gateway.ask("/" + "a" * 5000, basic("alice"), method="MADEUP")
        server = next(span for span in self.ended() if span.kind == Span.SPAN_KIND_SERVER)
        self.assertEqual((server.name, told(server)["http.request.method"]), ("HTTP /", "_OTHER"))
        self.assertLess(len(told(server)["url.path"]), 1000)

    def test_a_trusted_proxy_has(self):
        self.start(sample=0, trusted="127.0.0.1/32")
        self.ask("/", f"traceparent: {SAMPLED}")
        self.ask("/", f"traceparent: {UNSAMPLED}")
        self.assertEqual(len(self.ended()), 2)

    def test_a_part_of_all(self):
        self.start(sample=0.25)
        for _ in range(40):
            self.ask("/own/")
        # Each worker counts for itself.
        self.assertIn(len(self.ended()), range(6, 11))

    def test_a_collector_that_is_away_or_silent_holds_nobody_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for collector in (free_port(), silent.getsockname()[1]):
                self.start(collector=collector)
                self.assertEqual([self.ask("/").status for _ in range(20)], [200] * 20)
                self.ended()

    def test_access_lines_name_the_trace(self):
        self.start(more="log: { format: json }\n")
        self.ask("/", f"traceparent: {SAMPLED}")
        until("its line", lambda: f'"trace":"{TRACE}"' in Path(self.gateway.log.name).read_text())


if __name__ == "__main__":
    unittest.main()
