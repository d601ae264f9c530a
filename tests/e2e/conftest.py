"""The whole app, started as the README says, and a tab that notices what no page may do."""

import re

import pytest

from tests.browser import ROOT, chromium, serving

# Streamlit's frontend looks for its server below the page's own path first, and gets a 404 there.
PAGES = "home|normals|clean|score|where|review|capture|lots|map|limits|tune|evaluate|compare|history"
PROBES = re.compile(rf"/({PAGES})/_stcore/(health|host-config)$")


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The data folder of the app under test; a test may lay projects out in it before it asks for `app`."""
    return tmp_path_factory.mktemp("data") / "dn2"


@pytest.fixture(scope="module")
def workers():
    """Whether the app does the long work; a test that needs none can say "0"."""
    return "1"


@pytest.fixture(scope="module")
def app(browser, data, workers):
    with serving(ROOT / "app.py", data.parent / "log", DN2_DATA=str(data), DN2_WORKERS=workers) as address:
        yield App(browser, address)


@pytest.fixture
def tab(app):
    one = app.tab()
    yield one
    one.close()


class App:
    """Where the app is served, and tabs on it."""

    def __init__(self, browser, address: str):
        self.browser = browser
        self.address = address

    def tab(self, theme: str = "light"):
        return Tab(
            self.browser.new_context(
                viewport={"width": 1280, "height": 900}, color_scheme=theme, accept_downloads=True, locale="en-US"
            ),
            self.address,
        )


class Tab:
    """A page of the app. `troubles` are the errors, dialogs and foreign requests that must not happen."""

    def __init__(self, context, address: str):
        self.context = context
        self.address = address
        self.page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(f"error {error}"))
        self.page.on("dialog", lambda dialog: (self.troubles.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def close(self) -> None:
        self.context.close()
        assert self.troubles == []

    def go(self, path: str = "/") -> None:
        self.page.goto(self.address + path)
        self.settled()

    def settled(self) -> None:
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        self.page.wait_for_timeout(150)
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')

    def words(self) -> str:
        # Without the invisible joiners that keep a label from meaning something.
        return self.page.inner_text('[data-testid="stMain"]').replace("\u2060", "")

    def wait_for_words(self, pattern: str, seconds: float = 60) -> str:
        """The words of the page once they hold the pattern."""
        try:
            self._wait_for_words(pattern, seconds)
        except Exception as error:
            raise AssertionError(f"{pattern!r} did not come; the page says:\n{self.words()}") from error
        return self.words()

    def _wait_for_words(self, pattern: str, seconds: float) -> None:
        self.page.wait_for_function(
            "pattern => new RegExp(pattern).test("
            "document.querySelector('[data-testid=stMain]')?.innerText.replaceAll('\\u2060', '') ?? '')",
            arg=pattern,
            timeout=seconds * 1000,
        )

    def link(self, name: str) -> None:
        self.page.locator('[data-testid="stSidebar"]').get_by_role("link", name=name).click()
        self.page.get_by_role("heading", name=name, exact=True).first.wait_for()
        self.settled()

    def open_project(self) -> str:
        """Open the first project of Home on its Score page; returns its id."""
        self.go()
        self.page.locator(".st-key-dn2_cards").get_by_role("button", name="Open").first.click()
        self.page.get_by_role("heading", name="Score", exact=True).wait_for()
        self.settled()
        return self.param("project")

    def param(self, name: str) -> str | None:
        found = re.search(rf"[?&]{name}=([^&]*)", self.page.url)
        return found.group(1) if found else None

    def pictures(self) -> int:
        """How many pictures of galleries are really painted."""
        return self.page.locator(".cell img").evaluate_all("all => all.filter(one => one.naturalWidth > 0).length")

    def _asked(self, request) -> None:
        if not request.url.startswith((self.address, self.address.replace("http", "ws"), "blob:", "data:")):
            self.troubles.append(f"request {request.url}")

    def _answered(self, response) -> None:
        if response.status >= 400 and not PROBES.search(response.url):
            self.troubles.append(f"status {response.status} {response.url}")
