"""`AnonRateThrottle` and `UserRateThrottle`: after authentication and permissions, before the method.

Counts outlive a case, so each has an address, and a user, of its own."""

from support import Differential, Variant, basic, get, head, options, patch

RATES = ["AnonRateThrottle", "UserRateThrottle"]


def at(place, *headers, path="/basic/public/", send=get):
    """From an address that the proxy in front tells."""
    return send(path, f"X-Forwarded-For: 192.0.2.{place}", *headers)


class Throttle(Differential):
    variant = Variant(
        {
            "REST_FRAMEWORK": {
                "DEFAULT_THROTTLE_CLASSES": [f"rest_framework.throttling.{name}" for name in RATES],
                "DEFAULT_THROTTLE_RATES": {"anon": "2/min", "user": "3/hour"},
                "NUM_PROXIES": 1,
            }
        },
        "throttle: [{ anon: 2/min }, { user: 3/hour }]\n",
    )

    def requests(self, *requests, statuses):
        def conversation(side):
            answers = [side.send(request).status for request in requests]
            self.assertEqual(answers, statuses, side.name)

        self.compare(conversation)

    def test_anonymous(self):
        """The third is refused by the one and counted by the other, which then names the longer wait."""
        self.requests(*[at(1)] * 5, statuses=[200, 200, 429, 429, 429])

    def test_another_address(self):
        self.requests(at(2), at(2), at(2), at(3), statuses=[200, 200, 429, 200])

    def test_user(self):
        """Whatever the address."""
        alice = basic("alice", "correct horse")
        places = [at(place, alice) for place in (4, 5, 6, 7)]
        self.requests(*places, at(4), statuses=[200, 200, 200, 429, 200])

    def test_bad_credentials_do_not_count(self):
        bad = at(8, basic("alice", "wrong"))
        self.requests(*[bad] * 4, at(8), at(8), statuses=[401, 401, 401, 401, 200, 200])

    def test_missing_credentials_do_not_count(self):
        nobody = at(9, path="/basic/")
        self.requests(*[nobody] * 4, at(9), at(9), at(9), statuses=[401, 401, 401, 401, 200, 200, 429])

    def test_denied_permission_does_not_count(self):
        elise = basic("élise", "päss wörd")
        denied = at(10, elise, path="/api/staff/")
        self.requests(*[denied] * 4, *[at(10, elise)] * 4, statuses=[403, 403, 403, 403, 200, 200, 200, 429])

    def test_every_method_counts(self):
        self.requests(at(11, send=head), at(11, send=options), at(11), statuses=[200, 200, 429])

    def test_before_the_method(self):
        self.requests(*[at(12, send=patch)] * 3, statuses=[405, 405, 429])
