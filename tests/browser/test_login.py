"""The gateway's log-in page, as people use it."""

import itertools
import unittest

from playwright.sync_api import expect

from browser.support import NARROW, WIDE, Browser
from clients.gateway import PASSWORD, Gateway, Upstream

YAML = """
authentication: [session]
permission: authenticated
session: { login_redirect: /welcome/, brand: Acme Orders }
lockout: {lockout}
auth_rate: 1000/min
routes:
  - { path: /accounts/, endpoint: session }
  - { path: /echo/, upstream: echo }
  - { path: /, upstream: "{upstream}" }
"""
WRONG = "Please enter a correct username and password. Note that both fields may be case-sensitive."


def setUpModule():
    global gateway, strict
    upstream = Upstream()
    gateway = Gateway(YAML.replace("{lockout}", "false"), upstream.url, ["alice"])
    strict = Gateway(YAML.replace("{lockout}", "{ failures: 1, window: 5m, duration: 5m }"), upstream.url, ["alice"])
    for started in (upstream, gateway, strict):
        unittest.addModuleCleanup(started.stop)


class Pages(Browser):
    def visit(self, path="/accounts/login/", page=None):
        return (page or self.page).goto(gateway.url + path)

    def log_in(self, username="alice", password=PASSWORD, page=None):
        page = page or self.page
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()

    def arrive(self, path, page=None):
        (page or self.page).wait_for_url(gateway.url + path)

    def status_of(self, path):
        return self.page.request.get(gateway.url + path).status


class Login(Pages):
    def test_with_the_keyboard_alone(self):
        self.visit("/accounts/login/?next=/reports/")
        expect(self.page.get_by_label("Username")).to_be_focused()
        self.page.keyboard.type("alice")
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(PASSWORD)
        self.page.keyboard.press("Tab")
        expect(self.page.get_by_role("button", name="Log in")).to_be_focused()
        self.page.keyboard.press("Enter")
        self.arrive("/reports/")
        self.assertEqual(self.page.locator("#user").inner_text(), "alice")

    def test_wrong_password(self):
        self.visit()
        self.log_in(password="wrong")
        self.assertEqual(self.page.get_by_role("alert").inner_text(), WRONG)
        self.arrive("/accounts/login/")
        name, password = self.page.get_by_label("Username"), self.page.get_by_label("Password")
        self.assertEqual((name.input_value(), password.input_value()), ("alice", ""))
        # Whoever cannot see the message hears it with the field where they are.
        expect(password).to_be_focused()
        self.assertEqual(password.get_attribute("aria-describedby"), self.page.get_by_role("alert").get_attribute("id"))
        self.assertIn("Error", self.page.title())

    def test_a_second_try(self):
        self.visit("/accounts/login/?next=/reports/")
        self.log_in(password="wrong")
        self.page.get_by_role("alert").wait_for()
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        self.arrive("/reports/")

    def test_where_it_leads_by_itself(self):
        self.visit()
        self.log_in()
        self.arrive("/welcome/")

    def test_a_page_behind_it(self):
        self.assertEqual(self.status_of("/echo/"), 403)
        self.visit()
        self.log_in()
        self.arrive("/welcome/")
        self.assertEqual(self.visit("/echo/").json()["headers"]["remote-user"], "alice")

    def test_next_on_another_site(self):
        """Attack: a link to the log-in page that leads to a copy of it elsewhere, to be told the password again."""
        for foreign in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"):
            with self.subTest(foreign):
                self.page.context.clear_cookies()
                self.visit(f"/accounts/login/?next={foreign}")
                self.log_in()
                self.arrive("/welcome/")

    def test_names_that_are_markup(self):
        """Attack: a form elsewhere sends a name that would become a part of the page."""
        self.visit("/accounts/login/?next=/x/%22%3E%3Cimg%20src=x%3E")
        self.log_in('"><img src=x onerror=alert(1)>', "wrong")
        self.page.get_by_role("alert").wait_for()
        self.assertEqual(self.page.get_by_label("Username").input_value(), '"><img src=x onerror=alert(1)>')
        self.assertEqual(self.page.locator("img").count(), 0)

    def test_log_out(self):
        self.visit()
        self.log_in()
        self.page.get_by_role("button", name="Log out").click()
        self.arrive("/accounts/logout/")
        self.assertTrue(self.page.get_by_role("heading", name="logged out").is_visible())
        self.assertEqual(self.status_of("/echo/"), 403)
        self.assertNotIn("sessionid", [cookie["name"] for cookie in self.page.context.cookies()])

    def test_log_out_by_a_link(self):
        """Attack: an image on another page whose address logs the visitor out."""
        self.visit()
        self.log_in()
        self.arrive("/welcome/")
        self.assertEqual(self.status_of("/accounts/logout/"), 405)
        self.assertEqual(self.status_of("/echo/"), 200)

    def test_a_form_from_elsewhere(self):
        """Attack: a page of another site logs the visitor in as somebody else, to see what they do there."""
        self.page.set_content(f"""
            <form method="post" action="{gateway.url}/accounts/login/"><input name="username" value="alice">
            <input name="password" value="{PASSWORD}"><button>Win</button></form>
        """)
        self.page.get_by_role("button").click()
        self.arrive("/accounts/login/")
        self.assertEqual(self.page.get_by_label("Password").count(), 0)
        self.assertEqual(self.status_of("/echo/"), 403)

    def test_not_in_a_frame(self):
        """Attack: the page is drawn, unseen, over buttons of another."""
        self.page.set_content(f'<iframe src="{gateway.url}/accounts/login/"></iframe>')
        self.page.wait_for_timeout(300)
        self.assertEqual(self.page.frame_locator("iframe").get_by_label("Password").count(), 0)
        self.assertTrue(self.complaints)
        self.complaints.clear()

    def test_no_copy_is_kept(self):
        kept = self.visit().headers["cache-control"]
        self.assertTrue({"no-store", "private"} <= set(kept.split(", ")), kept)


class WithoutJavaScript(Pages):
    javascript = False

    def test_in_and_out(self):
        self.visit("/accounts/login/?next=/reports/")
        self.log_in(password="wrong")
        self.assertEqual(self.page.get_by_role("alert").inner_text(), WRONG)
        self.log_in()
        self.arrive("/reports/")
        self.page.get_by_role("button", name="Log out").click()
        self.page.get_by_role("link", name="Log in").click()
        self.arrive("/accounts/login/")


class Looks(Pages):
    """Everyone can read and use it, and the pictures are there to be looked at."""

    def states(self, page):
        self.visit(page=page)
        yield "login"
        page.context.clear_cookies()
        self.log_in(page=page)
        page.get_by_role("heading", name="Not verified").wait_for()
        yield "not-verified"
        page.get_by_role("link", name="login page").click()
        self.log_in(password="wrong", page=page)
        page.get_by_role("alert").wait_for()
        yield "wrong"
        self.log_in(page=page)
        page.get_by_role("button", name="Log out").click()
        self.arrive("/accounts/logout/", page)
        yield "logged-out"
        page.goto(strict.url + "/accounts/login/")
        for _ in range(2):
            self.log_in(password="wrong", page=page)
            page.get_by_role("alert").wait_for()
        page.get_by_text("Too many attempts. Try again in 5 minutes.").wait_for()
        yield "wait"

    def test_every_state(self):
        sizes = {"wide": WIDE, "narrow": NARROW}
        for (size, viewport), scheme in itertools.product(sizes.items(), ("light", "dark")):
            page = self.open(viewport=viewport, color_scheme=scheme)
            for state in self.states(page):
                with self.subTest(f"{state}, {size}, {scheme}"):
                    self.picture(page, f"{state}-{size}-{scheme}")
                    self.assert_nothing_is_cut_off(page)
                    self.assert_accessible(page)

    def test_scheme_is_followed(self):
        colours = {}
        for scheme in ("light", "dark"):
            page = self.open(color_scheme=scheme)
            self.visit(page=page)
            colours[scheme] = page.locator("body").evaluate("it => getComputedStyle(it).backgroundColor")
        self.assertNotEqual(colours["light"], colours["dark"])

    def test_focus_is_seen(self):
        self.visit()
        for role, name in [("textbox", "Username"), ("textbox", "Password"), ("button", "Log in")]:
            place = self.page.get_by_role(role, name=name)
            expect(place).to_be_focused()
            self.assertGreaterEqual(float(place.evaluate("it => parseFloat(getComputedStyle(it).outlineWidth)")), 2)
            self.page.keyboard.press("Tab")

    def test_what_a_password_manager_looks_for(self):
        self.visit()
        kinds = [self.page.get_by_label(label).get_attribute("autocomplete") for label in ("Username", "Password")]
        self.assertEqual(kinds, ["username", "current-password"])
