"""A headless Chromium that is on the system, driven by Playwright: no port, no network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Page, sync_playwright

__all__ = ["Browser", "find_chromium"]

PATIENCE = 20_000


def find_chromium() -> str | None:
    """The first Chromium or Chrome on the path."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """One browser with one page at a time.

    `complaints` holds what console and page said; `asked` the addresses asked for.
    """

    def __init__(self, executable: str) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        self._page: Page | None = None
        self.complaints: list[str] = []
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    @property
    def page(self) -> Page:
        """The page that was opened last."""
        assert self._page is not None
        return self._page

    def open(
        self,
        page: Path,
        width: int,
        *,
        dark: bool = False,
        scripts: bool = True,
        at: str = "",
    ) -> Page:
        """Load a page, at a place in it, on a screen `width` CSS pixels wide."""
        if self._page is not None:
            self._page.context.close()
        phone = width < 600
        context = self._browser.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            device_scale_factor=2 if phone else 1,
            is_mobile=phone,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE)
        self._page = context.new_page()
        self.complaints, self.asked = [], []
        self._page.on("console", lambda message: self.complaints.append(message.text))
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._page.on("request", lambda request: self.asked.append(request.url))
        self._page.goto(page.resolve().as_uri() + at)
        return self._page

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its value."""
        return self.page.evaluate(expression)
