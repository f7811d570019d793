"""The page with text models, and with several models."""

import unittest

from browser import ORIGIN, BrowserTest, answered, best, expect


class Texts(BrowserTest):
    def test_a_text_is_classified(self):
        page = self.open("/#sentiment")
        expect(page.locator("#model")).to_have_value("sentiment")
        # The page offers no images if the card has no `[image]`.
        labels = page.locator("#sources label")
        expect(labels).to_have_text(["Text", "JSON"])
        page.locator("#text").fill("It's the \"best\" of times.")
        page.locator("#send-text").click()
        expect(best(page)).not_to_be_empty()
        expect(page.locator("#seen")).to_be_visible()
        tokens = page.locator("#seen-picture .tokens span")
        self.assertGreater(tokens.count(), 5)
        self.assert_accessible(page, "with tokens")

    def test_another_model_is_selected(self):
        page = self.open()
        page.locator("#model").select_option("passages")
        expect(page).to_have_url(f"{ORIGIN}/#passages")
        page.locator("#text").press("Control+Enter")
        answered(page)
        expect(page.locator("#outputs")).to_contain_text("sentence_embedding")
        expect(page.locator("#predictions")).to_be_empty()
        page.locator("#model").select_option("sentiment")
        expect(page.locator("#empty")).to_be_visible()


if __name__ == "__main__":
    unittest.main()
