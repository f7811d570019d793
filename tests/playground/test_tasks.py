"""The page with a model of each kind of task (tests/support/tasks.rs): every view shows predictions, and is accessible."""

import unittest

from browser import ROOT, BrowserTest, answered, expect

IMAGE = ROOT / "tests/tasks/images/landscape.png"
SOUND = ROOT / "tests/tasks/audio/long-murmur.wav"

# The model; the source, whose fields are filled with these texts; and what the response shows.
CASES = [
    ("answers", "question", {"#question": "Who wrote it?", "#context": "Ada Lovelace wrote it in 1843."}, ".scores li"),
    ("rank", "text", {"#text": "A cat."}, ".scores li"),
    ("topics", "text", {"#text": "It rains.", "#parameter-labels": "weather, sport"}, ".scores li"),
    ("words", "text", {"#text": "It is [MASK] today."}, ".scores li"),
    ("number", "json", {"#json": "{\"instances\": [[60.5, 23897, 154, 4.8]]}"}, ".marked"),
    ("depth", "image", {}, "img.drawn"),
    ("foreground", "image", {}, "canvas.drawn"),
    ("segments", "image", {}, "canvas.drawn"),
    ("masks", "image", {"#parameter-threshold": "0.05"}, "canvas.drawn"),
    ("oriented", "image", {"#parameter-threshold": "0.05"}, "canvas.drawn"),
    ("points", "image", {"#parameter-threshold": "0.05"}, "canvas.drawn"),
    ("topics-of-images", "image", {"#parameter-labels": "a cat, a dog"}, ".scores li"),
    ("speech", "sound", {}, ".marked"),
    ("voice", "sound", {}, ".voice"),
]


class Tasks(BrowserTest):
    def respond(self, page, source, fields):
        """Choose the source, fill its fields in, and send it."""
        page.locator(f"#sources input[value={source}]").check(force=True)
        if any(field.startswith("#parameter") for field in fields):
            page.locator("#parameters").evaluate("(details) => { details.open = true; }")
        for field, text in fields.items():
            page.locator(field).fill(text)
        if source in ("image", "sound"):
            page.locator("#file" if source == "image" else "#sound-file").set_input_files(
                IMAGE if source == "image" else SOUND)
        else:
            page.locator(f"#send-{source}").click()
        answered(page)

    def test_every_view(self):
        for model, source, fields, shown in CASES:
            with self.subTest(model):
                page = self.open(f"/#{model}")
                expect(page.locator("#model")).to_have_value(model)
                self.respond(page, source, fields)
                self.assertEqual(page.locator("#problem").is_visible(), False, page.locator("#problem").text_content())
                expect(page.locator("#predictions").locator(shown).first).to_be_visible()
                self.assertNotIn("undefined", page.locator("#response").inner_text())
                self.assert_accessible(page, model)
                self.assert_no_sideways(page)

    def test_the_slider_hides_boxes(self):
        page = self.open("/#masks")
        self.respond(page, "image", {"#parameter-threshold": "0.05"})
        found = page.locator("#predictions .found li")
        before = found.count()
        self.assertGreater(before, 0)
        slider = page.locator("#predictions input[type=range]")
        slider.fill("1")
        expect(found).to_have_count(0)
        slider.fill("0")
        expect(found).to_have_count(before)


if __name__ == "__main__":
    unittest.main()
