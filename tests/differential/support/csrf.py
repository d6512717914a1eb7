"""A CSRF secret that cases have chosen, and a header that shows it."""

SECRET = "abcdefghijklmnopqrstuvwxyzABCDEF"
# The same secret under a mask.
MASKED = "aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3zzaC5dF8gIbjLemOhpRksUnvXqy0tB3w34"
TOKEN = f"X-CSRFToken: {SECRET}"
