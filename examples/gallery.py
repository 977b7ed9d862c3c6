# ruff: noqa: INP001 - a script, not a package
"""Draws docs/gallery/: 60 prompts and 24 edits by the demo checkpoint, all with seed 1, none picked."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from rich.progress import track

from alpenglow.catalogue import find
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import RGB, GenerationRequest
from alpenglow.training.drawings import fetch_packages, load_drawings
from alpenglow.training.questions import reference
from alpenglow.weights import hub

ROOT = Path(__file__).resolve().parents[1]
DRAWINGS = ROOT / "training-runs" / "demo"
CELL, THUMB, TEXT, COLUMNS = 256, 64, 20, 6

Size = tuple[int, int]
Key = tuple[str, str]

PROMPTS: dict[str, dict[Size, tuple[str, ...]]] = {
    "things": {
        (256, 256): ("a dog", "a rocket", "a slice of pizza", "a croissant", "a kangaroo", "a taco"),
        (512, 512): ("a snowman", "a tiger", "an ice cream", "a car", "a glass of wine", "a butterfly"),
        (1024, 768): ("a fox", "a whale"),
        (1024, 1024): ("a unicorn",),
        (1920, 1088): ("a dragon",),
        (1088, 1920): ("a volcano",),
        (1920, 1920): ("a hamburger",),
    },
    "words": {
        (256, 256): (
            *("a robot, noto style", "an octopus in twemoji style", "a bear in the style of fxemoji"),
            *("a tractor, twemoji style", "a parrot, noto style", "a rose in noto style"),
        ),
        (512, 512): (
            *("a fox on a blue background", "a frog on a pink background", "a crown on a navy background"),
            *("a cactus on a beige background", "two lions", "three dogs"),
            *("a dog beside a cat", "a rocket next to a house", "a bear and a fish"),
            *("four strawberries", "a small rocket", "a cat on a car"),
        ),
    },
    "landscapes": {
        (512, 512): ("a sunset", "mountains", "a city at night"),
        (1024, 768): (
            *("a sunset at the alps", "mountains at night", "the beach by day", "a forest in the snow"),
            *("a lake at dawn", "a meadow by day", "alpenglow", "a foggy sea"),
        ),
        (1024, 1024): ("a sunset at the alps", "a desert at sunset", "a city skyline at dusk", "rolling hills by day"),
        (768, 1024): ("the mountains at sunrise",),
        (1024, 576): ("the sea at sunset",),
    },
    "somewhere": {
        (512, 512): ("a dog at the beach at sunset",),
        (1024, 768): ("a sunset with a dog", "a penguin in the mountains in the snow", "a castle on the hills"),
        (1024, 1024): ("a lion in the desert",),
        (256, 256): ("a duck at the lake",),
        # Nothing of the demo's: what it does with words that it does not know is part of the truth.
        (320, 320): ("an accordion",),
    },
}
"""Prompts by sheet and size."""

RESTYLE = "take the subject of image 1 and style it like image 0"
BESIDE = "put image 0 beside image 1"
EDITS: tuple[tuple[str, Size, tuple[Key, ...]], ...] = (
    (RESTYLE, (512, 512), (("rocket", "fluent"), ("fox", "noto"))),
    (RESTYLE, (512, 512), (("house", "fluent"), ("owl", "twemoji"))),
    (RESTYLE, (512, 512), (("dog", "fluent"), ("koala", "noto"))),
    (RESTYLE, (512, 512), (("fox", "noto"), ("rocket", "fluent"))),
    (RESTYLE, (512, 512), (("cat", "twemoji"), ("snowman", "fluent"))),
    (RESTYLE, (512, 512), (("pizza", "noto"), ("helicopter", "twemoji"))),
    (RESTYLE, (1024, 1024), (("rocket", "fluent"), ("fox", "noto"))),
    ("style image 0 like image 1", (512, 512), (("strawberry", "fluent"), ("fox", "noto"))),
    ("make it noto style", (512, 512), (("penguin", "fluent"),)),
    ("place the penguin beside the frog", (512, 512), (("frog", "fluent"), ("penguin", "fluent"))),
    ("put image 0 on a blue background", (512, 512), (("fox", "noto"),)),
    ("put image 0 on a pink background", (512, 512), (("rocket", "fluent"),)),
    ("make the background yellow", (512, 512), (("watermelon", "noto"),)),
    ("move image 0 to the left", (512, 512), (("grapes", "twemoji"),)),
    ("put image 0 on a navy background", (256, 256), (("sheaf of rice", "fluent"),)),
    ("put image 0 on an orange background", (1024, 1024), (("crab", "noto"),)),
    ("place image 0 in the mountains at night", (512, 512), (("fox", "noto"),)),
    ("put image 0, image 1 and image 2 together", (512, 512), (("fox", "noto"), ("rocket", "noto"), ("taco", "noto"))),
    ("put image 0 on the hills at sunset", (512, 512), (("camel", "noto"),)),
    ("place image 0 in the snow in the mountains", (1024, 768), (("penguin", "fluent"),)),
    (BESIDE, (512, 512), (("dog", "fluent"), ("cat", "fluent"))),
    (
        "put image 3 on a blue background",
        (512, 512),
        (("dog", "fluent"), ("rocket", "noto"), ("cat", "noto"), ("accordion", "twemoji")),
    ),
    (BESIDE, (1024, 768), (("fox", "fluent"), ("bear", "fluent"))),
    (BESIDE, (1024, 1024), (("automobile", "fluent"), ("train", "fluent"))),
)
"""Prompt, size, and the drawings that are image 0 and on. Some show things that the demo was never told of."""


@dataclass(frozen=True)
class Cell:
    """A picture, what was asked for, and what was given with it."""

    prompt: str
    image: RGB
    references: tuple[RGB, ...] = ()


def main() -> None:
    """Make every picture and paste it with its prompt."""
    files = hub.find("demo", None)
    if files is None:
        raise SystemExit("The demo checkpoint is missing: train it by `python -m alpenglow.training`.")
    pipeline = Pipeline.load(find("demo"), files)
    library = load_drawings(fetch_packages(DRAWINGS))
    folder = ROOT / "docs" / "gallery"
    folder.mkdir(exist_ok=True)
    for name, sizes in PROMPTS.items():
        asked = [(prompt, size, ()) for size, prompts in sizes.items() for prompt in prompts]
        sheet(draw(pipeline, asked, name)).save(folder / f"{name}.jpg", quality=88)
    edits = [(prompt, size, tuple(reference(key, library, size[0]) for key in keys)) for prompt, size, keys in EDITS]
    sheet(draw(pipeline, edits, "edits")).save(folder / "edits.jpg", quality=88)


def draw(pipeline: Pipeline, asked: Iterable[tuple[str, Size, tuple[RGB, ...]]], title: str) -> list[Cell]:
    """The picture of seed 1 for each prompt, size and references."""
    cells = []
    for prompt, size, references in track(list(asked), title):
        request = GenerationRequest("demo", prompt, *size, seed=1, references=references)
        cells.append(Cell(f"{prompt} {size[0]}x{size[1]}", pipeline.draw(request), references))
    return cells


def sheet(cells: list[Cell]) -> Image.Image:
    """Pictures scaled into cells, their prompts below, their references above."""
    top = THUMB if any(cell.references for cell in cells) else 0
    pitch = top + CELL + TEXT
    canvas = Image.new("RGB", (COLUMNS * CELL, -(-len(cells) // COLUMNS) * pitch), "white")
    pen = ImageDraw.Draw(canvas)
    for i, cell in enumerate(cells):
        x, y = i % COLUMNS * CELL, i // COLUMNS * pitch
        for j, pixels in enumerate(cell.references):
            canvas.paste(Image.fromarray(pixels).resize((THUMB - 8, THUMB - 8)), (x + 4 + j * THUMB, y + 4))
        image = Image.fromarray(cell.image)
        image.thumbnail((CELL - 4, CELL - 4))
        canvas.paste(image, (x + (CELL - image.width) // 2, y + top + (CELL - image.height) // 2))
        short = cell.prompt.replace(RESTYLE, "the subject of image 1 like image 0")
        pen.text((x + 4, y + top + CELL + 3), short[:44], fill="#444444")
    return canvas


if __name__ == "__main__":
    main()
