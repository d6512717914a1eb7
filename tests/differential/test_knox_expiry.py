"""`expiry` in what knox's log-in says: a moment, in the words of `TIME_ZONE`, `USE_TZ` and `EXPIRY_DATETIME_FORMAT`."""

from support import Case, Differential, Differs, basic, default_classes, post

LOGIN = post("/api/auth/login/", basic("alice", "correct horse"))
EXPIRY = '{"expiry":"<now + 600 min, 6 digits, Z>","token":"<64 hexadecimal digits>"}'


def knox(**django):
    return default_classes("basic", django=django)


class Zone(Differential):
    variant = knox(TIME_ZONE="Europe/Paris")
    utc = Differs("Moments are written in UTC: the same moment, whatever the project's zone", body=EXPIRY)
    cases = [Case("login", 200, LOGIN, utc)]


class NoZone(Differential):
    variant = knox(USE_TZ=False)
    cases = [Case("login", 200, LOGIN, Zone.utc)]


class Format(Differential):
    variant = knox(REST_KNOX={"EXPIRY_DATETIME_FORMAT": "%Y"})
    iso = Differs("Moments are written as ISO 8601", body=EXPIRY)
    cases = [Case("login", 200, LOGIN, iso)]
