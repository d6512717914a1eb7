"""System checks: `manage.py check`, `runserver` and `migrate` stop at them."""

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from . import conf, expectations

MIDDLEWARE = "portcullis_django.middleware.PortcullisMiddleware"


class PortcullisConfig(AppConfig):
    """Registers the checks."""

    name = "portcullis_django"
    verbose_name = "Portcullis"

    def ready(self):
        checks.register(check)
        expectations.remember(getattr(settings, "PORTCULLIS", {}).get("EXPECTS", {}))
        if apps.is_installed("drf_spectacular"):
            from . import schema  # it registers itself


def check(app_configs, **kwargs):
    """What would leave the project open, or is not as the gateway's file says."""
    if MIDDLEWARE not in settings.MIDDLEWARE:
        hint = f"Put {MIDDLEWARE!r} first in MIDDLEWARE."
        return [checks.Error("Nothing verifies that requests come through the gateway.", hint, id="portcullis.E001")]
    try:
        options = conf.load()
        for name in ("AUTH", "CLASSES"):
            conf.classes(options, name)
        conf.foreign_users(options)
        if options["REQUIRE_ASSERTION"]:
            conf.verifier(options)
        found = expectations.unmet(options["EXPECTS"])
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="portcullis.E002")]
    return [checks.Error(sentence, id="portcullis.E003") for sentence in found]
