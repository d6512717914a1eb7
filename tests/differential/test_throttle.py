"""`AnonRateThrottle`, `UserRateThrottle` and `ScopedRateThrottle`: after authentication and permissions, before the
method. And `NUM_PROXIES`: which address it is that counts.

Counts outlive a case, so each has an address, a user or a scope of its own."""

import subprocess

from support import LOGIN, Differential, Differs, Side, Variant, basic, database, get, head, options, patch, post
from support.differences import CAREFUL_HEADERS
from support.environment import BINARY
from support.servers import folder

ALICE, STAFF = basic("alice", "correct horse"), basic("staff", "correct horse")


def classes(*names, proxies=1, **rates):
    throttles = [f"rest_framework.throttling.{name}RateThrottle" for name in names]
    settings = {"DEFAULT_THROTTLE_CLASSES": throttles, "DEFAULT_THROTTLE_RATES": rates, "NUM_PROXIES": proxies}
    return {"REST_FRAMEWORK": settings}


def client(*addresses):
    """What proxies in front say of who is asking: the first of them at the left end, and the last at the right."""
    return f"X-Forwarded-For: {', '.join(addresses)}"


def at(place, *headers, path="/basic/public/", send=get):
    """From an address that the proxy in front tells."""
    return send(path, client(f"192.0.2.{place}"), *headers)


class Counted(Differential):
    def requests(self, *requests, statuses, differs=None):
        """`statuses` are Django's; the gateway's are the same, but for what `differs`."""
        ours = {number: difference.parts.get("status") for number, difference in (differs or {}).items()}

        def conversation(side):
            answers = [side.send(request).status for request in requests]
            expected = [ours.get(number, status) for number, status in enumerate(statuses)]
            self.assertEqual(answers, expected if side.is_gateway else statuses, side.name)

        self.compare(conversation, differs)


class Throttle(Counted):
    variant = Variant(
        classes("Anon", "User", anon="2/min", user="3/hour"), "throttle: [{ anon: 2/min }, { user: 3/hour }]\n"
    )

    def test_anonymous(self):
        """The third is refused by the one and counted by the other, which then names the longer wait."""
        self.requests(*[at(1)] * 5, statuses=[200, 200, 429, 429, 429])

    def test_another_address(self):
        self.requests(at(2), at(2), at(2), at(3), statuses=[200, 200, 429, 200])

    def test_user(self):
        """Whatever the address, and nothing of it counts for who else is there."""
        places = [at(place, ALICE) for place in (4, 5, 6, 7)]
        self.requests(*places, *[at(4)] * 3, statuses=[200, 200, 200, 429, 200, 200, 429])

    def test_bad_credentials_do_not_count(self):
        """And where the count is full, they are still what is wrong."""
        bad = at(8, basic("alice", "wrong"))
        self.requests(*[bad] * 4, *[at(8)] * 3, bad, statuses=[401, 401, 401, 401, 200, 200, 429, 401])

    def test_missing_credentials_do_not_count(self):
        nobody = at(9, path="/basic/")
        self.requests(*[nobody] * 4, *[at(9)] * 3, nobody, statuses=[401, 401, 401, 401, 200, 200, 429, 401])

    def test_denied_permission_does_not_count(self):
        elise = basic("élise", "päss wörd")
        denied = at(10, elise, path="/api/staff/")
        statuses = [403, 403, 403, 403, 200, 200, 200, 429, 403]
        self.requests(*[denied] * 4, *[at(10, elise)] * 4, denied, statuses=statuses)

    def test_what_is_wrong_first_is_said(self):
        """Who it is, then what he may, then how often."""
        elise = basic("élise", "päss wörd")
        full = [at(16)] * 3
        wrong = [at(16, basic("alice", "wrong"), path="/api/staff/"), at(16, path="/api/staff/")]
        self.requests(*full, *wrong, at(16, elise, path="/api/staff/"), statuses=[200, 200, 429, 403, 403, 403])

    def test_every_method_counts(self):
        self.requests(at(11, send=head), at(11, send=options), at(11), statuses=[200, 200, 429])

    def test_before_the_method(self):
        self.requests(*[at(12, send=patch)] * 3, statuses=[405, 405, 429])

    def test_pages_of_simplejwt_count_as_views(self):
        """What is wrong with the body is found later."""
        pages = [at(13, path=path, send=post) for path in ("/api/token/", "/api/token/verify/", "/api/sliding/")]
        self.requests(*pages, at(13), statuses=[400, 400, 429, 429])

    def test_knox_s_log_in_counts_as_a_view(self):
        self.requests(*[at(14, STAFF, path="/api/auth/login/", send=post)] * 4, statuses=[200, 200, 200, 429])

    def test_pages_that_are_not_throttled(self):
        """`ObtainAuthToken` has it switched off, and Django's own views have none."""
        log_in, obtain = at(15, path=LOGIN), at(15, path="/api-token-auth/", send=post)
        self.requests(*[log_in] * 3, *[obtain] * 3, at(15), at(15), statuses=[200] * 3 + [400] * 3 + [200] * 2)


def scoped(proxies, gateway="", **rates):
    """Scopes with their rates: DRF has them in its settings, and the gateway at the routes."""
    places = [(f"/scoped/{name}/", name) for name in rates] + [("/scoped/day/too/", "day")]
    routes = {path: f"throttle: [{{ scope: {{ name: {name}, rate: {rates[name]} }} }}]" for path, name in places}
    return Variant(classes("Scoped", proxies=proxies, **rates), gateway, public=routes)


def day(*headers, path="/scoped/day/"):
    return get(path, *headers)


RATES = {"day": "1/day", "hour": "2/hour", "0-s": "0/s", "0-sec": "0/sec", "0-second": "0/second", "0-m": "0/m"}


class Scope(Counted):
    """One count for all views of a scope."""

    variant = scoped(1, **RATES)

    def test_anonymous(self):
        self.requests(*[at(1, path="/scoped/day/")] * 3, at(2, path="/scoped/day/"), statuses=[200, 429, 429, 200])

    def test_two_views(self):
        both = [at(3, path=path) for path in ("/scoped/day/", "/scoped/day/too/", "/scoped/day/")]
        self.requests(*both, statuses=[200, 429, 429])

    def test_two_scopes(self):
        hour = at(4, path="/scoped/hour/")
        self.requests(at(4, path="/scoped/day/"), hour, hour, hour, statuses=[200, 200, 200, 429])

    def test_view_without_a_scope(self):
        self.requests(*[at(5)] * 3, at(5, path="/scoped/day/"), statuses=[200] * 4)

    def test_user(self):
        """By who it is; whoever else comes from there has a count of their own."""
        who = [(6, ALICE), (7, ALICE), (6, STAFF), (6,), (6,)]
        self.requests(*[at(*each, path="/scoped/day/") for each in who], statuses=[200, 429, 200, 200, 429])

    def test_limit_of_0(self):
        """It refuses everybody, for a period whose unit is its first letter."""

        def conversation(side):
            for scope, wait, unit in [
                ("0-s", "1", "second"),
                ("0-sec", "1", "second"),
                ("0-second", "1", "second"),
                ("0-m", "60", "seconds"),
            ]:
                for _ in range(2):
                    answer = side.send(at(8, path=f"/scoped/{scope}/"))
                    self.assertEqual((answer.status, answer.header("retry-after")), (429, wait), side.name)
                    detail = f"Request was throttled. Expected available in {wait} {unit}."
                    self.assertEqual(answer.json, {"detail": detail}, side.name)

        self.compare(conversation)


class NoRate(Counted):
    """Scopes whose rate is None, is missing, or is none that can be read."""

    variant = Variant(
        classes("Scoped", **{"none": None, "1-x": "1/x", "abc": "abc", "1-30s": "1/30s", "negative": "-1/m"}),
        public={"/scoped/none/": ""},
    )

    def test_unlimited(self):
        self.requests(*[at(1, path="/scoped/none/")] * 3, statuses=[200, 200, 200])

    def test_no_rate_that_can_be_read(self):
        """Django finds out when somebody asks."""
        why = "A rate over which DRF fails at each request is refused before the gateway starts"
        self.differences.append((self.id(), why))
        database.use(self.database)
        database.reset()
        django = Side("Django", self.variant.on(self.database).native.port)
        for scope in ("1-x", "abc", "1-30s", "missing"):
            self.assertEqual(django.send(at(2, path=f"/scoped/{scope}/")).status, 500, scope)
        # The count is above the limit from the start: DRF knows no wait.
        answer = django.send(at(2, path="/scoped/negative/"))
        self.assertEqual((answer.status, answer.json["detail"]), (429, "Request was throttled."))
        self.assertIsNone(answer.header("retry-after"))
        for rate in ("rate: 1/x", "rate: abc", "rate: 1/30s", "rate: -1/m", ""):
            said = self.check(f"throttle: [{{ scope: {{ name: day, {rate} }} }}]\n")
            self.assertEqual(said.returncode, 1, rate)
            self.assertIn("a rate such as 5/min" if rate else "missing field `rate`", said.stderr)

    def check(self, lines):
        config = folder() / "rates.yaml"
        config.write_text(f"{lines}routes: [{{ path: /, upstream: echo }}]\n")
        return subprocess.run([BINARY, "check", "--config", config], capture_output=True, text=True, check=False)


# --- NUM_PROXIES ------------------------------------------------------------------------------------

# The gateway has no number. It is told the networks of proxies, and the client is the nearest address outside them.
NETWORKS = "trusted_proxies: [127.0.0.1/32, 198.51.100.0/24]\n"
NEAR, FAR = "198.51.100.1", "198.51.100.2"


def refused(why, wait=86400):
    """Where Django takes a client for another one, which has not asked yet."""
    body = f'{{"detail":"Request was throttled. Expected available in <{wait} s> seconds."}}'
    return Differs(why, status=429, headers={**CAREFUL_HEADERS, "retry-after": f"<{wait} s>"}, body=body)


class OneProxy(Counted):
    """1: the proxy has appended the address that it has seen; the right end counts."""

    variant = Scope.variant

    def test_header_absent(self):
        self.requests(day(), day(), statuses=[200, 429])

    def test_addresses_that_the_client_has_made_up(self):
        """Attack: the client sends the header itself, each time with another address, and hopes to be another."""
        forged = [day(client(made_up, "192.0.2.21")) for made_up in ("203.0.113.1", "203.0.113.2", "")]
        self.requests(*forged, day(client("192.0.2.21")), statuses=[200, 429, 429, 429])

    def test_two_fields(self):
        """Attack: the same, where the proxy appends a field and not to the field."""
        forged = [day(client(made_up), client("192.0.2.22")) for made_up in ("203.0.113.1", "203.0.113.2")]
        self.requests(*forged, statuses=[200, 429])

    def test_blanks(self):
        self.requests(day(client("203.0.113.1,192.0.2.23")), day(client("  192.0.2.23 ")), statuses=[200, 429])

    def test_addresses_of_one_network(self):
        """Attack: whoever has IPv6 has a whole network, and an address of it for each request."""
        differs = refused("A network of IPv6 that one customer has is one client (/64)")
        requests = [day(client(f"2001:db8::{number}")) for number in (1, 2)]
        self.requests(*requests, day(client("2001:db8:0:1::1")), statuses=[200] * 3, differs={1: differs})

    def test_port(self):
        """Attack: a connection for each request, where the proxy writes the client's port too."""
        differs = refused("A port is no part of who is asking")
        requests = [day(client(f"192.0.2.24:{port}")) for port in (50001, 50002)]
        self.requests(*requests, statuses=[200, 200], differs={1: differs})

    def test_no_address(self):
        """Attack: a text of the client's choice, through a proxy that appends nothing."""
        differs = refused("What is no address says of nobody who it is: the peer of the connection counts", 3600)
        requests = [day(client(text), path="/scoped/hour/") for text in ("unknown", "_a", "_b")]
        self.requests(*requests, statuses=[200] * 3, differs={2: differs})


class TwoProxies(Counted):
    """2: the near one has appended the far one's address, to which the far one had appended the client's."""

    variant = scoped(2, NETWORKS, day="1/day")

    def test_same_client_through_two_proxies(self):
        through = [day(client("192.0.2.1", far)) for far in (NEAR, FAR)]
        self.requests(*through, statuses=[200, 429])

    def test_two_clients_through_one_proxy(self):
        self.requests(*[day(client(place, FAR)) for place in ("192.0.2.2", "192.0.2.3")], statuses=[200, 200])

    def test_addresses_that_the_client_has_made_up(self):
        """Attack: another address each time, at the left end."""
        forged = [day(client(made_up, "192.0.2.4", FAR)) for made_up in ("203.0.113.1", "203.0.113.2")]
        self.requests(*forged, statuses=[200, 429])

    def test_fewer_addresses_than_proxies(self):
        """The leftmost."""
        self.requests(day(client("192.0.2.5")), day(client("192.0.2.5")), statuses=[200, 429])

    def test_proxy_alone(self):
        self.requests(day(client(FAR)), day(client(FAR)), day(client(NEAR)), statuses=[200, 429, 200])

    def test_header_absent(self):
        self.requests(day(), day(), statuses=[200, 429])

    def test_past_the_far_proxy(self):
        """Attack: the client has found the near proxy, and writes itself what the far one would have."""
        why = "Proxies are known by their networks, not counted: what a stranger says of others is not believed"
        forged = [day(client(made_up, "192.0.2.6")) for made_up in ("203.0.113.1", "203.0.113.2")]
        self.requests(*forged, statuses=[200, 200], differs={1: refused(why)})


class NoProxy(Counted):
    """0: nobody is in front, and the header is the client's own."""

    variant = scoped(0, "trusted_proxies: []\n", day="1/day")

    def test_peer(self):
        """Attack: an address of the client's choice, another each time."""
        self.requests(day(), *(at(place, path="/scoped/day/") for place in (1, 2)), statuses=[200, 429, 429])


class NotSaid(Counted):
    """None, DRF's default: the whole header is who is asking."""

    variant = scoped(None, day="1/day")

    def test_header_absent(self):
        self.requests(day(), day(), statuses=[200, 429])

    def test_blanks(self):
        same = [day(client(text)) for text in ("203.0.113.1, 192.0.2.1", " 203.0.113.1 ,192.0.2.1")]
        self.requests(*same, statuses=[200, 429])

    def test_addresses_that_the_client_has_made_up(self):
        """Attack: another header each time is another client, and has no limit at all."""
        why = "Without NUM_PROXIES a client makes itself another one; the gateway believes whom it was told to believe"
        forged = [day(client(made_up, "192.0.2.2")) for made_up in ("203.0.113.1", "203.0.113.2")]
        self.requests(*forged, statuses=[200, 200], differs={1: refused(why)})
