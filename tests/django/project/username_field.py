"""Django's own users, known by another field: what a project with a model of its own says in its class."""

from django.apps import AppConfig
from django.conf import settings


class UsernameField(AppConfig):
    name = "project.username_field"

    def ready(self):
        from django.contrib.auth.models import User

        User.USERNAME_FIELD = settings.USERNAME_FIELD
