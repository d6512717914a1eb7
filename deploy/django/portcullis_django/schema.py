"""For drf-spectacular: where `PortcullisAuthentication` is in the place of the project's classes, a client may send
what they take, so the schema says of it what it would say of them."""

from __future__ import annotations

from drf_spectacular.drainage import warn
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from . import conf


class PortcullisScheme(OpenApiAuthenticationExtension):
    """The schemes of the classes that `CLASSES` and `AUTH` name."""

    target_class = "portcullis_django.authentication.PortcullisAuthentication"

    def __init__(self, target):
        super().__init__(target)
        self._schemes = []
        for native in named():
            if scheme := self.get_match(native()):
                self._schemes.append(scheme)
            else:
                warn(f"could not resolve authenticator {native}, which PORTCULLIS names")
        if not self._schemes:
            warn("PORTCULLIS names no class, in CLASSES or AUTH, that says what clients may send")

    @property
    def name(self):
        return [name for scheme in self._schemes for name in listed(scheme.name)]

    def get_security_definition(self, auto_schema):
        return [one for scheme in self._schemes for one in listed(scheme.get_security_definition(auto_schema))]

    def get_security_requirement(self, auto_schema):
        found = []
        for scheme in self._schemes:
            required = listed(scheme.get_security_requirement(auto_schema))
            found += [one for one in required if one not in found]
        return found


def named():
    """The project's classes, each once."""
    options = conf.load()
    return dict.fromkeys(
        native for name in ("CLASSES", "AUTH") for natives in conf.classes(options, name).values() for native in natives
    )


def listed(one_or_several):
    """What an extension may give as one, or as a list, or not at all."""
    if one_or_several is None:
        return []
    return one_or_several if isinstance(one_or_several, list) else [one_or_several]
