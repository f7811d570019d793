"""The API reference page: it can send every example of every operation."""

import unittest

from browser import PHONE, BrowserTest, expect


class Reference(BrowserTest):
    def test_every_example_can_be_sent(self):
        page = self.open("/playground/reference")
        operations = page.locator(".operation")
        expect(operations.first).to_be_visible()
        sent = 0
        for index in range(operations.count()):
            operation = operations.nth(index)
            operation.locator("summary").first.click()
            types = operation.get_by_label("body", exact=True)
            for media_type in options(types):
                if media_type:
                    types.select_option(media_type)
                examples = operation.get_by_label("example", exact=True)
                for example in options(examples):
                    if example:
                        examples.select_option(example)
                    elif media_type not in (None, "multipart/form-data"):
                        # Other image formats have no example.
                        continue
                    operation.get_by_role("button", name="Send").click()
                    # Each response replaces the previous one.
                    expect(operation.locator(".status")).to_contain_text("200 OK")
                    operation.evaluate("(view) => view.querySelector('.status').remove()")
                    sent += 1
            operation.locator("summary").first.click()
        self.assertGreater(sent, 25)

    def test_page_is_accessible(self):
        for scheme, viewport in [("light", {}), ("dark", dict(viewport=PHONE))]:
            with self.subTest(scheme):
                page = self.open("/playground/reference", scheme=scheme, **viewport)
                operation = page.locator("#infer_digits")
                operation.locator("summary").first.click()
                operation.get_by_role("button", name="Send").click()
                expect(operation.locator(".status")).to_contain_text("200 OK")
                self.assert_accessible(page, scheme)
                self.assert_no_sideways(page)


def options(select):
    """The values of a visible select; a single `None` if there is none."""
    if select.count() == 0 or not select.is_visible():
        return [None]
    return select.evaluate("(list) => [...list.options].map((option) => option.value)")


if __name__ == "__main__":
    unittest.main()
