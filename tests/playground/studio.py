"""The playground as a person uses it: what tests do and see there, in one place."""

import base64
from pathlib import Path

from playwright.sync_api import Page, expect

KEPT = """async () => {
  const database = await new Promise((resolve) => {
    const asked = indexedDB.open("alpenglow");
    asked.onsuccess = () => resolve(asked.result);
  });
  const all = await new Promise((resolve) => {
    const asked = database.transaction("pictures").objectStore("pictures").getAll();
    asked.onsuccess = () => resolve(asked.result);
  });
  return Promise.all(all.map(async ({ blob, seed, request }) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const image = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    return { image, seed, prompt: request.prompt };
  }));
}"""

DROP = """async ([target, files]) => {
  const data = new DataTransfer();
  for (const [name, type, text] of files) {
    data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type }));
  }
  const element = document.querySelector(target);
  for (const kind of ["dragenter", "dragover", "drop"]) {
    element.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""

PASTE = """async ([[name, type, text]]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


class Studio:
    """One page. `requests` are the addresses that it asked for, `faults` what it logged as errors or threw."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.requests: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self._note(message.text))

    def _note(self, text: str) -> None:
        if not text.startswith("Failed to load resource"):  # a refusal by the server is no fault of the page
            self.faults.append(text)

    def go(self, path: str = "/") -> None:
        self.page.goto(self.url + path)
        if path == "/":
            self.page.wait_for_selector("body[data-ready], dialog[open]")

    def ask(self, prompt: str, size: str | None = "256 × 256", seed: int | None = None) -> None:
        self.page.fill("#prompt", prompt)
        if size:
            self.page.locator("#drawn").get_by_text(size, exact=True).click()
        if seed is not None:
            self.page.locator("#drawn").get_by_text("Keep", exact=True).click()
            self.page.fill("#seed", str(seed))

    def generate(self, *args: object, **more: object) -> None:
        """Ask and wait for the picture."""
        self.ask(*args, **more)
        self.page.click("#generate")
        self.finished()

    def finished(self) -> None:
        """Wait until the picture is there, then until it is kept: only then is there nothing to cancel."""
        expect(self.page.locator("#actions")).to_be_visible(timeout=60_000)
        expect(self.page.locator("#cancel")).to_be_hidden()

    def kept(self) -> list[dict]:
        """The history as it is stored: the file, the seed, the prompt; the oldest first."""
        return [{**one, "image": base64.b64decode(one["image"])} for one in self.page.evaluate(KEPT)]

    def drop(self, target: str, *paths: Path) -> None:
        self.page.evaluate(DROP, [target, [_file(path) for path in paths]])

    def paste(self, path: Path) -> None:
        self.page.evaluate(PASTE, [_file(path)])

    @property
    def facts(self) -> list[str]:
        return self.page.locator(".facts span").all_inner_texts()

    @property
    def names(self) -> list[str]:
        return self.page.locator(".slots .name").all_inner_texts()


def _file(path: Path) -> list[str]:
    kind = {".png": "image/png", ".jpg": "image/jpeg", ".txt": "text/plain"}[path.suffix]
    return [path.name, kind, base64.b64encode(path.read_bytes()).decode()]
