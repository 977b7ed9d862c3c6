# ruff: noqa: INP001 - a script, not a package
"""The two requests that Cloudflare documents for FLUX.2 [klein], sent by curl to a server on this machine.

Against the documented commands only host, account, token and file names are changed. Run it by `make demo`.
"""

import base64
import json
import os
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from rich.console import Console

from alpenglow.cli.background import serving

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo-output"
ENDPOINT = "client/v4/accounts/local/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
TILE = 384

console = Console(highlight=False)


def main() -> None:
    """Start a server, send the requests, keep the pictures, stop the server."""
    OUTPUT.mkdir(exist_ok=True)
    for name in ("ALPENGLOW_TOKEN", "ALPENGLOW_LEDGER_URL"):  # of the reader's own server: this one takes any token
        os.environ.pop(name, None)
    with ExitStack() as stack:
        with console.status("Starting the server"):
            server = stack.enter_context(serving(["--log-level", "warning"]))
        console.print(f"Server ready after [bold]{server.ready_seconds:.1f} s[/].\n")
        pictures = [shot.send(server.url) for shot in SHOTS]
    sheet = contact_sheet(list(zip(SHOTS, pictures, strict=True)))
    sheet.save(OUTPUT / "contact-sheet.jpg", quality=92)
    console.print(f"{OUTPUT.name}/contact-sheet.jpg  everything side by side")


@dataclass(frozen=True)
class Shot:
    """A request: its name, its form fields, and the pictures that it is given, in order."""

    name: str
    form: tuple[str, ...]
    references: tuple[str, ...] = ()

    def command(self, url: str) -> list[str]:
        """The documented curl command; files are relative to the root of the repository."""
        command = ["curl", "--request", "POST", "--url", f"{url}/{ENDPOINT}"]
        command += ["--header", "Authorization: Bearer local", "--header", "Content-Type: multipart/form-data"]
        for field in self.form + tuple(f"input_image_{i}=@{path}" for i, path in enumerate(self.references)):
            command += ["--form", field]
        return command

    def send(self, url: str) -> Image.Image:
        """Run curl, decode the picture out of the envelope, write it. Ends the program if there is none."""
        command = self.command(url)
        console.print("$ " + shlex.join(command).replace(" --", " \\\n    --"), soft_wrap=True)
        began = time.perf_counter()
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - all ours
        seconds = time.perf_counter() - began
        body = json.loads(answer.stdout) if answer.returncode == 0 else {"success": False, "errors": answer.stderr}
        if not body["success"]:
            sys.exit(f"No picture: {body['errors']}")
        data = base64.b64decode(body["result"]["image"])
        path = OUTPUT / f"{self.name}.jpg"
        path.write_bytes(data)
        picture = Image.open(BytesIO(data))
        width, height = picture.size
        console.print(f"[bold]{OUTPUT.name}/{path.name}[/]  {width}x{height}  [bold]{seconds:.2f} s[/]\n")
        return picture


SHOTS = (
    Shot("sunset", ("prompt=a sunset at the alps", "width=1024", "height=1024")),
    Shot(
        "restyled",
        ("prompt=take the subject of image 1 and style it like image 0", "width=1024", "height=1024"),
        ("examples/style.png", "examples/subject.png"),
    ),
)


def contact_sheet(shots: list[tuple[Shot, Image.Image]]) -> Image.Image:
    """One row a request: what it was given, then what came back."""
    columns = max(len(shot.references) for shot, _ in shots) + 1
    sheet = Image.new("RGB", (columns * TILE, len(shots) * TILE), "white")
    for row, (shot, picture) in enumerate(shots):
        tiles = [Image.open(ROOT / path) for path in shot.references] + [picture]
        for column, tile in enumerate(tiles, start=columns - len(tiles)):
            sheet.paste(tile.convert("RGB").resize((TILE, TILE)), (column * TILE, row * TILE))
    return sheet


if __name__ == "__main__":
    main()
