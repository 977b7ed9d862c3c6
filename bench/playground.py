"""What a person waits for: from pressing Generate to the first preview, and to the picture, in Debian's Chromium.

Prints rows for BENCHMARKS.md. Options after `--` go to `alpenglow serve`: `python bench/playground.py -- --threads 2`.
Times are the page's own: from the click to the moment when the picture is decoded and in the document.
"""

import argparse
import os
import platform
import shutil
import statistics

from playwright.sync_api import Page, sync_playwright

from alpenglow.cli.background import serving

SIDES = (256, 512, 1024)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

CLOCK = """() => {
  window.times = {};
  const frame = document.getElementById("frame");
  document.getElementById("generate").addEventListener("click", () => {
    times = { began: performance.now() };
  }, true);
  new MutationObserver(async () => {
    for (const [name, kind] of [["preview", ".soft"], ["picture", ".after"]]) {
      const image = frame.querySelector(kind);
      if (!image || name in times) continue;
      times[name] = null;
      await image.decode();
      times[name] = performance.now() - times.began;
    }
  }).observe(frame, { childList: true });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="pictures of each size; the median counts")
    parser.add_argument("options", nargs="*", help="of alpenglow serve")
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        parser.error("No Chromium was found: install it with apt-get install chromium.")
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
    with serving(["--log-level", "warning", *args.options]) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(server.url)
        page.wait_for_selector("body[data-ready]")
        page.evaluate(CLOCK)
        print("| size | first preview | slowest | picture | slowest |\n|---|---|---|---|---|")
        for side in SIDES:
            runs = [picture(page, side) for _ in range(args.runs + 1)][1:]  # the first warms
            previews, pictures = zip(*runs, strict=True)
            cells = [f"{one:.3f} s" for of in (previews, pictures) for one in (statistics.median(of), max(of))]
            print(f"| {side}x{side} | {' | '.join(cells)} |", flush=True)
        browser.close()


def picture(page: Page, side: int) -> tuple[float, float]:
    """Seconds to the first preview and to the picture."""
    page.fill("#prompt", "a sunset at the alps")
    page.fill("#width", str(side))
    page.fill("#height", str(side))
    page.click("#generate")
    page.wait_for_selector("#actions:not([hidden])")
    page.wait_for_timeout(100)
    times = page.evaluate("times")
    return times["preview"] / 1000, times["picture"] / 1000


if __name__ == "__main__":
    main()
