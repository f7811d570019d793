"""Shared by the browser tests: Debian's Chromium, driven by Playwright, and a page that must log no errors.

tests/all/playground.rs starts the service, finds the browser, and runs `python -m unittest` here.
"""

import base64
import os
import unittest
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

ADDRESS = os.environ["INFER_ADDRESS"]
ORIGIN = f"http://{ADDRESS}"
ROOT = Path(os.environ["INFER_ROOT"])
SAMPLES = ROOT / "models/digits/samples"

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

# The strokes of a seven in fractions of the canvas: the bar, then down.
SEVEN = [(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        environment = {key: value for key, value in os.environ.items()}
        # Only the browser needs this path; Playwright's driver has its own libraries.
        if libraries := os.environ.get("CHROMIUM_LIBRARIES"):
            environment["LD_LIBRARY_PATH"] = libraries
        cls.browser = cls.playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"],
            env=environment,
            args=["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
        )
        cls.addClassCleanup(cls.browser.close)

    def open(self, path="/", scheme="light", viewport=DESKTOP, **options):
        """Open a page in a new context. An error in its log fails the test, Content-Security-Policy violations included;
        responses with status 400 are allowed, since some tests provoke them."""
        context = self.browser.new_context(color_scheme=scheme, viewport=viewport, **options)
        self.addCleanup(context.close)
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type == "error"
                and not message.text.startswith("Failed to load resource") and errors.append(message.text))
        self.addCleanup(lambda: self.assertEqual(errors, []))
        page.goto(ORIGIN + path)
        return page

    def assert_accessible(self, page, what):
        """Assert that no rule of axe-core is violated, whatever its impact."""
        results = Axe().run(page)
        broken = [(rule["id"], rule["impact"], [node["html"] for node in rule["nodes"]])
                  for rule in results.response["violations"]]
        self.assertEqual(broken, [], what)
        self.assertGreater(len(results.response["passes"]), 10, what)

    def assert_no_sideways(self, page):
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        self.assertLessEqual(widths[0], widths[1])


def draw(page, points=SEVEN):
    canvas = page.locator("#canvas")
    # The canvas appears when the page has read the model's metadata.
    canvas.wait_for()
    box = canvas.bounding_box()
    place = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*place[0])
    page.mouse.down()
    for x, y in place[1:]:
        page.mouse.move(x, y, steps=12)
    page.mouse.up()


def transfer(page, path, media_type):
    """A DataTransfer with a file, as drop and paste events have."""
    content = base64.b64encode(path.read_bytes()).decode()
    return page.evaluate_handle(
        """([content, name, type]) => {
          const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name, { type }));
          return data;
        }""", [content, path.name, media_type])


def drop(page, path, media_type):
    data = transfer(page, path, media_type)
    page.dispatch_event("#drop" if page.locator("#drop").is_visible() else "body", "drop", {"dataTransfer": data})


def best(page):
    return page.locator(".scores li").first.locator(".label")


def answered(page):
    """Wait until the response is shown completely."""
    expect(page.locator("#same")).to_be_visible()
    expect(page.locator("#response")).to_have_attribute("aria-busy", "false")
