"""Lets a Django project believe the Portcullis gateway, and nobody else, about who is asking."""

from .identity import decode_groups, decode_identity

__all__ = ["decode_groups", "decode_identity"]
