"""The images' recipes, as far as they can be judged without building them."""

import re
import unittest
from fnmatch import fnmatch
from pathlib import Path

from shipped.support import DEPLOY, ROOT, run

# Each with the folder that it is built from.
RECIPES = {DEPLOY / "Dockerfile": ROOT, DEPLOY / "compose/Dockerfile": DEPLOY}


class Images(unittest.TestCase):
    def test_hadolint_has_nothing_to_say(self):
        for recipe in RECIPES:
            with self.subTest(recipe=recipe):
                self.assertEqual(run("hadolint", recipe), (0, ""))

    def test_nobody_is_root(self):
        for recipe in RECIPES:
            users = re.findall(r"(?m)^USER (.*)$", recipe.read_text())
            self.assertEqual(users, ["65532:65532"], recipe)

    def test_the_gateways_image_holds_the_binary_and_no_shell(self):
        stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")
        last = stages[-1]
        self.assertRegex(last, r"\Agcr\.io/distroless/static-debian12:nonroot\n")
        self.assertNotIn("\nRUN", last)
        self.assertEqual(re.findall(r"(?m)^COPY .* (\S+)$", last), ["/usr/local/bin/portcullis", "/data"])

    def test_what_is_copied_exists_and_is_not_ignored(self):
        for recipe, folder in RECIPES.items():
            for words in re.findall(r"(?m)^COPY (?!--from)(.*) \S+$", recipe.read_text()):
                for name in words.split():
                    with self.subTest(recipe=recipe, name=name):
                        self.assertTrue((folder / name).exists())
                        self.assertTrue(name == "." or sent(recipe, name))

    def test_what_is_let_through_exists(self):
        for recipe, folder in RECIPES.items():
            for name in let_through(recipe):
                self.assertTrue((folder / name).exists(), f"{recipe}: {name}")

    def test_images_have_the_pinned_compiler(self):
        """What ships is compiled by the compiler that it was tested and measured with."""
        pinned = re.search(r'(?m)^channel = "(.*)"$', (ROOT / "rust-toolchain.toml").read_text())[1]
        for file in (DEPLOY / "Dockerfile", ROOT / ".github/workflows/ci.yml"):
            named = re.findall(r"\brust:([^-\s]+)-", file.read_text())
            self.assertEqual(set(named), {pinned}, file)

    def test_the_build_has_what_cargo_reads(self):
        """Files that the source includes from elsewhere in the repository."""
        recipe = DEPLOY / "Dockerfile"
        for source in (ROOT / "src").rglob("*.rs"):
            for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
                path = (source.parent / name).resolve().relative_to(ROOT)
                if path.parts[0] != "src" and not in_tests(source, name):
                    self.assertTrue(sent(recipe, str(path)), f"{source}: {path}")


def let_through(recipe):
    lines = Path(f"{recipe}.dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def sent(recipe, name):
    """Whether the ignore file, which begins by ignoring everything, lets this through, or something in it."""
    allowed = let_through(recipe)
    return any(fnmatch(name, one) or name.startswith(f"{one}/") or one.startswith(f"{name}/") for one in allowed)


def in_tests(source, name):
    """Unit tests stand at the end of a file, and are not in the image."""
    text = source.read_text()
    return "mod tests" in text and text.index(name) > text.index("mod tests")
