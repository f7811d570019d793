"""Screenshots of the page with the demo models, for the documentation: `BLESS=1` writes them to docs/; otherwise only their size
is checked."""

import os
import unittest

from browser import DESKTOP, PHONE, ROOT, BrowserTest, answered, expect

MAX_BYTES = 200_000


class Pictures(BrowserTest):
    def test_each(self):
        phone = dict(viewport=PHONE, has_touch=True, is_mobile=True)
        for name, scheme, options, height in [
            ("page-light", "light", {}, DESKTOP["height"]),
            ("page-dark", "dark", {}, DESKTOP["height"]),
            ("page-phone", "light", phone, 2 * PHONE["height"]),
        ]:
            with self.subTest(name):
                page = self.open("/#shapes", scheme=scheme, **options)
                answered(page)
                expect(page.locator("#predictions .found li")).to_have_count(7)
                expect(page.locator("#seen")).to_be_visible()
                page.evaluate("document.activeElement.blur()")
                clip = dict(x=0, y=0, width=page.viewport_size["width"], height=height)
                picture = page.screenshot(animations="disabled", full_page=True, clip=clip)
                self.assertLess(len(picture), MAX_BYTES)
                if os.environ.get("BLESS"):
                    (ROOT / "docs").mkdir(exist_ok=True)
                    (ROOT / "docs" / f"{name}.png").write_bytes(picture)


if __name__ == "__main__":
    unittest.main()
