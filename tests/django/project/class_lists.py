"""Lists of authentication classes. Each has views under its name, and behind the gateway a chain of schemes."""

# The first class decides between 401 and 403, so order is what differs here. A name is its classes.
CLASS_LISTS = [
    "basic",
    "token",
    "session",
    "jwt",
    "knox",
    "hawk",
    "hawk-basic",
    "basic-hawk",
    "realm",
    "keyword",
    "stateless",
    "remote",
    "forwarded",
    "session-token",
    "token-session",
    "basic-token",
    "token-basic",
    "session-basic",
    "basic-session",
    "remote-basic",
    "remote-session",
    "session-jwt",
    "jwt-session",
    "jwt-token",
    "token-jwt",
    "knox-basic",
    "custom",
    "challenged",
    "custom-token",
    "token-custom",
    "challenged-token",
    "custom-other",
    "other-custom",
    "no-class",
]

# Of allauth, which is installed for its own tests alone.
HEADLESS_LISTS = ["headless", "lenient-jwt", "session-headless"]


def words(name):
    """`session-token` is session and then token."""
    return [] if name == "no-class" else name.split("-")
