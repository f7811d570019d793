"""The page with the digits model, as a user operates it."""

import json
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from browser import (ADDRESS, ORIGIN, PHONE, SAMPLES, BrowserTest, answered, best, draw, drop, expect, transfer)


def source(page, name):
    page.locator("#sources label", has_text=name).click()


class Page(BrowserTest):
    def test_a_seven_is_drawn(self):
        page = self.open()
        expect(page.locator("#model")).to_have_value("digits")
        draw(page)
        expect(best(page)).to_have_text("7")
        expect(page.locator("#verdict")).to_contain_text("Best: 7")
        answered(page)
        self.assertEqual(page.locator(".scores li").count(), 5)
        # The saved image is the one that was sent.
        with page.expect_download() as download:
            page.locator("#save-drawing").click()
        saved = Path(download.value.path()).read_bytes()
        self.assertEqual(ask(saved, "image/png")["predictions"][0][0]["label"], "7")
        page.locator("#clear").click()
        expect(page.locator("#empty")).to_be_visible()
        expect(page.locator("#same")).to_be_hidden()

    def test_a_one_is_not_a_seven(self):
        page = self.open()
        draw(page, [(0.5, 0.15), (0.5, 0.85)])
        expect(best(page)).to_have_text("1")

    def test_a_seven_is_drawn_by_touch(self):
        page = self.open(viewport=PHONE, has_touch=True, is_mobile=True)
        self.assert_no_sideways(page)
        draw(page)
        expect(best(page)).to_have_text("7")
        answered(page)
        self.assert_no_sideways(page)

    def test_a_seven_is_drawn_by_keyboard(self):
        page = self.open()
        expect(page.locator("#canvas")).to_be_visible()
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "canvas":
                break
        press = lambda *keys: [page.keyboard.press(key) for key in keys]
        press(*["ArrowLeft", "ArrowUp"] * 8, *["ArrowUp"] * 2, "Space")
        press(*["ArrowRight"] * 14, *["ArrowDown", "ArrowDown", "ArrowLeft"] * 8, "Space")
        expect(best(page)).to_have_text("7")
        press("Delete")
        expect(page.locator("#empty")).to_be_visible()

    def test_an_image_is_dropped(self):
        page = self.open()
        source(page, "Image")
        drop(page, SAMPLES / "3.png", "image/png")
        expect(best(page)).to_have_text("3")
        answered(page)
        expect(page.locator("#preview")).to_be_visible()
        # The service's times of all phases.
        words = page.locator("#timing-list").inner_text()
        for phase in ["decode", "load", "compute", "encode", "round trip"]:
            self.assertIn(phase, words)
        # The model's input is the image itself, which has the right size already.
        shades = page.evaluate("""() => {
          const canvas = document.querySelector('#seen-picture canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.width, canvas.height, [...data].filter((_, index) => index % 4 === 0)];
        }""")
        tensor = post("/infer/digits/input", (SAMPLES / "3.png").read_bytes(), "image/png")["inputs"][0]
        self.assertEqual(shades, [8, 8, [round(value * 255) for value in tensor["data"]]])
        self.assertEqual(json.loads(page.locator("#raw").inner_text()), ask((SAMPLES / "3.png").read_bytes(), "image/png"))

    def test_an_image_is_dropped_anywhere_or_pasted(self):
        page = self.open()
        drop(page, SAMPLES / "5.png", "image/png")
        expect(best(page)).to_have_text("5")
        expect(page.locator("#preview")).to_be_visible()
        data = transfer(page, SAMPLES / "8.png", "image/png")
        page.evaluate("data => dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))", data)
        expect(best(page)).to_have_text("8")

    def test_an_image_is_chosen_or_taken(self):
        page = self.open()
        source(page, "Image")
        with page.expect_file_chooser() as chooser:
            page.locator("#choose").click()
        chooser.value.set_files(SAMPLES / "9.png")
        expect(best(page)).to_have_text("9")
        answered(page)
        page.locator("#camera").click()
        page.locator("#shoot").click()
        expect(page.locator("#file-name")).to_contain_text("photo.jpg")
        expect(page.locator("#curl")).to_contain_text("@photo.jpg")
        expect(page.locator("#video")).to_be_hidden()

    def test_a_wrong_file_shows_the_services_error(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, content, media_type in [
                ("notes.txt", b"no picture", "text/plain"),
                ("broken.png", (SAMPLES / "7.png").read_bytes()[:60], "image/png"),
            ]:
                with self.subTest(name):
                    page = self.open()
                    path = Path(folder) / name
                    path.write_bytes(content)
                    source(page, "Image")
                    drop(page, path, media_type)
                    expect(page.locator("#problem")).to_be_visible()
                    status, sentence = refused("/infer/digits", content, media_type)
                    expect(page.locator("#problem")).to_have_text(f"{sentence}{status} to POST /infer/digits")
                    expect(page.locator("#predictions")).to_be_empty()

    def test_a_tensor_is_typed(self):
        page = self.open()
        source(page, "JSON")
        page.locator("#json").press("Control+Enter")
        answered(page)
        expect(page.locator(".scores li")).to_have_count(5)
        page.locator("#json").fill('{"instances": [[[0')
        page.locator("#send-json").click()
        _, sentence = refused("/infer/digits", b'{"instances": [[[0', "application/json")
        expect(page.locator("#problem")).to_contain_text(sentence)

    def test_the_shown_programs_do_the_same(self):
        page = self.open()
        source(page, "Image")
        drop(page, SAMPLES / "7.png", "image/png")
        answered(page)
        self.check_programs(page)
        source(page, "JSON")
        page.locator("#send-json").click()
        expect(page.locator("#curl")).to_contain_text("application/json")
        answered(page)
        self.check_programs(page)

    def check_programs(self, page):
        raw = json.loads(page.locator("#raw").inner_text())
        curl = page.locator("#curl").inner_text()
        came = subprocess.run(["sh", "-c", f"{curl} --silent --show-error"], cwd=SAMPLES, capture_output=True, check=True)
        self.assertEqual(json.loads(came.stdout), raw)
        python = page.locator("#python").inner_text()
        came = subprocess.run([sys.executable, "-c", python], cwd=SAMPLES, capture_output=True, check=True, text=True)
        lines = [f"{guess['label']} {round(guess['score'], 4)}" for guess in raw["predictions"][0]]
        self.assertEqual(came.stdout.split("\n")[:-1], lines)

    def test_only_own_files_are_loaded(self):
        context = self.browser.new_context()
        self.addCleanup(context.close)
        page = context.new_page()
        policy = page.goto(ORIGIN).headers["content-security-policy"]
        self.assertNotIn("unsafe", policy)
        self.assertIn("default-src 'none'", policy)
        expect(page.locator("#model")).to_have_value("digits")
        loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
        self.assertGreater(len(loaded), 5)
        for name in loaded:
            self.assertTrue(name.startswith(ORIGIN), name)
        # The policy is enforced: an inline script does not run.
        directive = page.evaluate("""() => new Promise((done) => {
          addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'window.ran = true';
          document.head.append(script);
        })""")
        self.assertEqual(directive, "script-src-elem")
        self.assertFalse(page.evaluate("'ran' in window"))

    def test_page_is_accessible(self):
        for scheme in ["light", "dark"]:
            for viewport in [dict(), dict(viewport=PHONE)]:
                with self.subTest(scheme, **viewport):
                    page = self.open(scheme=scheme, **viewport)
                    expect(page.locator("#facts div")).to_have_count(3)
                    self.assert_accessible(page, "at first")
                    draw(page)
                    answered(page)
                    expect(page.locator("#seen")).to_be_visible()
                    self.assert_accessible(page, "with an answer")
                    source(page, "JSON")
                    page.locator("#json").fill("[1")
                    page.locator("#send-json").click()
                    expect(page.locator("#problem")).to_be_visible()
                    self.assert_accessible(page, "with a refusal")
                    source(page, "Image")
                    self.assert_accessible(page, "with a picture to choose")


def request(path, body, media_type):
    return urllib.request.Request(f"http://{ADDRESS}{path}", body, {"Content-Type": media_type})


def post(path, body, media_type):
    with urllib.request.urlopen(request(path, body, media_type)) as response:
        return json.load(response)


def ask(body, media_type):
    return post("/infer/digits", body, media_type)


def refused(path, body, media_type):
    try:
        post(path, body, media_type)
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}".split()[0], json.load(error)["error"]
    raise AssertionError("accepted")


if __name__ == "__main__":
    unittest.main()
