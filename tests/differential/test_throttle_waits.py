"""How long a throttled client has to wait, to the second, and when the oldest request leaves the count."""

from support import Timed, Variant
from test_throttle import at, classes


class Waits(Timed):
    """`Retry-After` is what is left of the period of the oldest request, rounded up."""

    variant = Variant(classes("Anon", anon="2/min"), "throttle: [{ anon: 2/min }]\n", clock=True)

    def requests(self, *steps):
        """Seconds to wait before each request, and the `Retry-After` of its answer, if it is one."""

        def conversation(side):
            for wait, retry_after in steps:
                self.wait(wait)
                answer = side.send(at(1))
                side.notice("exactly", (answer.status, answer.header("retry-after"), answer.body))
                said = int(answer.header("retry-after") or 0)
                self.assertEqual(said, retry_after, side.name)

        self.compare(conversation)

    def test_less_and_less(self):
        self.requests((0, 0), (0, 0), (0, 60), (1, 59), (28, 31), (1, 30), (28, 2), (1, 1), (1, 0), (0, 0), (0, 60))

    def test_of_the_oldest(self):
        self.requests((0, 0), (30, 0), (10, 20))

    def test_the_oldest_leaves_after_a_whole_period(self):
        self.requests((0, 0), (50, 0), (10, 0), (0, 50))

    def test_it_does_not_leave_before(self):
        self.requests((0, 0), (50, 0), (9.999, 1), (0.001, 0))

    def test_seconds_are_rounded_up(self):
        self.requests((0, 0), (0, 0), (56.8, 4), (0.2, 3), (0.001, 3), (1.5, 2), (0.5, 1), (0.998, 1), (0.001, 0))

    def test_refused_requests_are_not_counted(self):
        self.requests((0, 0), (0, 0), (59, 1), (0.5, 1), (0.5, 0), (0, 0), (0, 60))
