"""`AUTH_USER_MODEL` in the shape that SHAPE names, and what belongs to it."""

from importlib import import_module

from django.conf import settings

Member = import_module(f"user_models.shapes.{settings.SHAPE}").Member
