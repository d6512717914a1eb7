"""Lets a Django project trust the Portcullis gateway, and it alone, for the identity of its callers."""

from .identity import decode_groups, decode_identity

__all__ = ["decode_groups", "decode_identity"]
