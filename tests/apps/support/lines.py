"""The lines that `init` prints, put where it says, with no hand in between."""

import re
import shutil
import textwrap
from contextlib import contextmanager
from pathlib import Path

BLOCK = re.compile(r"^(?:  .*\n|\n(?=  ))+", re.MULTILINE)
MODULE = re.compile(r"DJANGO_SETTINGS_MODULE=([\w.]+)")


@contextmanager
def applied(said, place, folder):
    """The variables under which the application has them."""
    blocks = [textwrap.dedent(block) for block in BLOCK.findall(said)]
    lines = next((block for block in blocks if "PortcullisMiddleware" in block), None)
    if lines is None:
        raise RuntimeError("init prints no lines for the project")
    # Notes may name another one.
    if wrapper := MODULE.search(said.partition("\n1. ")[2]):
        file = Path(folder, "wrapper", *wrapper[1].split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(lines)
        paths = f"{folder}/wrapper:{place.variables()['PYTHONPATH']}"
        yield {"DJANGO_SETTINGS_MODULE": wrapper[1], "PYTHONPATH": paths}
        return
    # `at the end of its settings`
    file = place.settings_file()
    shutil.copy2(file, kept(file))
    try:
        with file.open("a") as settings:
            settings.write("\n" + lines)
        yield {}
    finally:
        take_back(place)


def take_back(place):
    """Also what a run that was killed has left."""
    file = place.settings_file()
    # None, before the project is made.
    if file and kept(file).exists():
        kept(file).replace(file)


def kept(file):
    return file.with_suffix(".as-it-was")
