"""The page with the demo models (`infer up --demo`): each shows its example with the response at once."""

import json
import unittest

from browser import ROOT, BrowserTest, answered, expect

EXPECTED = json.loads((ROOT / "tests/playground/demo.json").read_text(encoding="utf-8"))


class Demo(BrowserTest):
    def show(self, model):
        page = self.open(f"/#{model}")
        expect(page.locator("#model")).to_have_value(model)
        answered(page)
        self.assert_accessible(page, model)
        self.assert_no_sideways(page)
        return page

    def test_the_first_visit_shows_predictions(self):
        page = self.open()
        answered(page)
        expect(page.locator("#predictions .item")).to_have_count(1)
        expect(page.locator("#problem")).to_be_hidden()

    def test_objects(self):
        for model in ("shapes", "digit-row"):
            with self.subTest(model):
                page = self.show(model)
                labels = page.locator("#predictions .found li span:not(.score)")
                self.assertEqual(sorted(labels.all_inner_texts()), sorted(EXPECTED[model]))
                expect(page.locator("#preview")).to_be_visible()

    def test_names(self):
        page = self.show("names")
        marks = page.locator("#predictions mark")
        self.assertEqual(
            [mark.evaluate("(mark) => [mark.firstChild.textContent, mark.querySelector('small').textContent]")
             for mark in marks.all()],
            EXPECTED["names"])

    def test_wine(self):
        page = self.show("wine")
        expect(page.locator("#source-table")).to_be_visible()
        expect(page.locator(".scores li .label").first).to_have_text(EXPECTED["wine"][0])


if __name__ == "__main__":
    unittest.main()
