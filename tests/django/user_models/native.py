"""The project as it was before there was a gateway, and its rows for tests."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from .rows import serves  # noqa: E402 (models come after `get_wsgi_application`)

application = serves(application)
