"""Chromium, the gateway with its log-in page, and where pictures of it go."""

import shutil
import unittest

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from clients.gateway import TARGET

# Debian's: Playwright's own are not packages of any registry.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
PICTURES = TARGET / "browser"

# A phone at its narrowest, which is also a desktop's 1280 pixels at 400 % (WCAG 1.4.10).
NARROW = {"width": 320, "height": 640}
WIDE = {"width": 1100, "height": 760}


class Browser(unittest.TestCase):
    """One Chromium for each class, and for each test a profile of its own; nothing may go wrong on a page unseen."""

    javascript = True

    @classmethod
    def setUpClass(cls):
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        cls.browser = playwright.chromium.launch(executable_path=CHROMIUM)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.complaints = []
        self.page = self.open()
        self.addCleanup(lambda: self.assertEqual(self.complaints, []))

    def open(self, **options):
        context = self.browser.new_context(java_script_enabled=self.javascript, **options)
        self.addCleanup(context.close)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", self.hear)
        return page

    def hear(self, message):
        """A violation of the page's Content-Security-Policy is said on the console and nowhere else."""
        if message.type == "error" and "responded with a status of" not in message.text:
            self.complaints.append(message.text)

    def picture(self, page, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    def assert_accessible(self, page):
        result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
        self.assertEqual(result.violations_count, 0, result.generate_report())

    def assert_nothing_is_cut_off(self, page):
        self.assertLessEqual(
            page.evaluate("document.documentElement.scrollWidth"), page.evaluate("document.documentElement.clientWidth")
        )
