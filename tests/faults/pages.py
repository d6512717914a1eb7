"""Everything that issues or ends a credential, as a client does it. Each answer is an `Answer`."""

from faults.support import PASSWORD, basic

YAML = """
authentication: [token, knox, jwt, basic, session]
permission: authenticated
knox: { keyword: Knox }
jwt: { blacklist: true, rotate_refresh_tokens: true, blacklist_after_rotation: true }
routes:
  - { path: /, upstream: echo }
  - { path: /token/, endpoint: token }
  - { path: /knox/, endpoint: knox }
  - { path: /jwt/, endpoint: jwt }
  - { path: /accounts/, endpoint: session }
"""


def token(gateway, name):
    return gateway.ask("/token/", method="POST", data={"username": name, "password": PASSWORD})


def knox_login(gateway, name):
    return gateway.ask("/knox/login/", basic(name), method="POST")


def knox_logout(gateway, key):
    return gateway.ask("/knox/logout/", f"Knox {key}", method="POST")


def jwt(gateway, name):
    return gateway.ask("/jwt/", method="POST", data={"username": name, "password": PASSWORD})


def jwt_refresh(gateway, refresh):
    return gateway.ask("/jwt/refresh/", method="POST", data={"refresh": refresh})


def jwt_blacklist(gateway, refresh):
    return gateway.ask("/jwt/blacklist/", method="POST", data={"refresh": refresh})


def log_in(gateway, name):
    page = gateway.ask("/accounts/login/", headers={"Accept": "application/json"})
    headers = {"X-CSRFToken": page.json["csrf_token"], "Cookie": page.headers["set-cookie"].split(";")[0]}
    data = {"username": name, "password": PASSWORD}
    return gateway.ask("/accounts/login/", method="POST", data=data, headers=headers)
