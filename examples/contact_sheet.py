# ruff: noqa: INP001 - a script, not a package
"""Draws docs/contact-sheet.jpg: 24 prompts at four sizes and four edits by the demo checkpoint, seed 1, none picked."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.progress import track

from alpenglow.catalogue import find
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import RGB, GenerationRequest
from alpenglow.weights import hub

ROOT = Path(__file__).resolve().parents[1]
CELL, TEXT = 256, 18

PROMPTS: dict[tuple[int, int], tuple[str, ...]] = {
    (256, 256): (
        "a dog",
        "a cat",
        "a rocket",
        "a house",
        "a slice of pizza",
        "a banana",
        "a robot, noto style",
        "an octopus in twemoji style",
    ),
    (512, 512): (
        "a snowman",
        "a sunflower",
        "a fox on a blue background",
        "a car",
        "a dog beside a cat",
        "a penguin",
    ),
    (1024, 768): (
        "a sunset at the alps",
        "mountains at night",
        "the beach by day",
        "a forest in the snow",
        "a sunset with a dog",
    ),
    (1024, 1024): ("a sunset at the alps", "a rocket", "a dog", "a desert at sunset", "a unicorn"),
}
EDITS: tuple[tuple[str, tuple[int, int], tuple[str, ...]], ...] = (
    ("take the subject of image 1 and style it like image 0", (512, 512), ("style", "subject")),
    ("take the subject of image 1 and style it like image 0", (1024, 1024), ("style", "subject")),
    ("put image 0 on a blue background", (512, 512), ("subject",)),
    ("place image 0 in the mountains at night", (512, 512), ("subject",)),
)
"""Prompt, size, and which of examples/ are image 0 and image 1."""


def main() -> None:
    """Make every picture and paste it with its prompt."""
    files = hub.find("demo", None)
    if files is None:
        raise SystemExit("The demo checkpoint is missing: train it by `python -m alpenglow.training`.")
    pipeline = Pipeline.load(find("demo"), files)
    examples = {
        name: np.asarray(Image.open(ROOT / "examples" / f"{name}.png").convert("RGB")) for name in ("style", "subject")
    }
    prompts = [(prompt, size) for size, prompts in PROMPTS.items() for prompt in prompts]
    cells = [draw(pipeline, prompt, size) for prompt, size in track(prompts, "prompts")]
    cells += [(f"examples/{name}.png", image) for name, image in examples.items()]
    for prompt, size, names in track(EDITS, "edits"):
        cells.append(draw(pipeline, prompt, size, *(examples[name] for name in names)))
    sheet(cells, columns=6).save(ROOT / "docs" / "contact-sheet.jpg", quality=88)


def draw(pipeline: Pipeline, prompt: str, size: tuple[int, int], *references: RGB) -> tuple[str, RGB]:
    """What was asked for, and the picture of seed 1."""
    request = GenerationRequest("demo", prompt, *size, seed=1, references=references)
    return f"{prompt} {size[0]}x{size[1]}", pipeline.draw(request)


def sheet(cells: list[tuple[str, RGB]], columns: int) -> Image.Image:
    """Pictures scaled into cells, their prompts below."""
    rows = -(-len(cells) // columns)
    canvas = Image.new("RGB", (columns * CELL, rows * (CELL + TEXT)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (prompt, pixels) in enumerate(cells):
        x, y = i % columns * CELL, i // columns * (CELL + TEXT)
        image = Image.fromarray(pixels)
        image.thumbnail((CELL, CELL))
        canvas.paste(image, (x + (CELL - image.width) // 2, y + (CELL - image.height) // 2))
        draw.text((x + 4, y + CELL + 3), prompt[:44], fill="#444444")
    return canvas


if __name__ == "__main__":
    main()
