"""One application, as its file in recipes/ says it."""

import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

# Differences that are meant wherever they are.
COMMON = {
    r"OPTIONS [^:]*: content-type 'text/html; charset=utf-8' → None": "an empty answer to a preflight has no type",
    r"^40[13] .*: cookies .*'sessionid', 'set'.* → \[\]$": "a refusal of the gateway begins no session, though a middleware of"
    " the project begins one for each visitor",
}
RECIPES = Path(__file__).parents[1] / "recipes"


@dataclass
class Recipe:
    name: str
    # The settings module, and what `init --django` gets, below the environment's folder.
    settings: str
    manage: str
    # Of PyPI, each with its version; or the variable that names a checkout.
    packages: list
    # The commands that make tables, in the environment's bin; then Python for the application's shell.
    prepare: list
    seed: str
    # The command that serves on `place.port`, of a place.
    serve: Callable
    # Everything that clients do: gets a `Talk`.
    calls: Callable
    # Variables, of a place.
    environment: Callable = lambda place: {}
    # Files to write below its state folder, of a place.
    files: Callable = lambda place: {}
    # What is left to do in the site-packages once they are there.
    installed: Callable = lambda site: None
    python: str = "3.11"
    checkout: str | None = None
    database: str = "sqlite"
    # The file below its state folder that the printed lines go into, where that is not the settings module.
    lines_in: str | None = None
    # Where the gateway finds the settings' secrets: expressions over `settings`, by variable.
    secrets: dict = field(default_factory=dict)
    # Differences that are meant: a pattern of a difference's line, and the reason.
    reasons: dict = field(default_factory=dict)


def names():
    return sorted(file.stem.replace("_", "-") for file in RECIPES.glob("[a-z]*.py"))


def recipe(name):
    module = importlib.import_module("recipes." + name.replace("-", "_"))
    known = Recipe.__dataclass_fields__
    told = {key.lower(): value for key, value in vars(module).items() if key.lower() in known}
    return Recipe(name=name, **told)


def reason(recipe, line):
    table = {**COMMON, **recipe.reasons}
    return next((why for pattern, why in table.items() if re.search(pattern, line)), None)
