"""Django's hashers with few rounds, for tests that log in hundreds of times."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher, PBKDF2SHA1PasswordHasher


class QuickPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    iterations = 1000


class QuickPBKDF2SHA1PasswordHasher(PBKDF2SHA1PasswordHasher):
    iterations = 1000
