"""`python -m alpenglow.training.evaluate`: says in numbers what a demo checkpoint has learned.

A generated picture is right when, of all things that are drawn in its style, the one asked for looks most like it
(top 1) or is among the five that do (top 5). Seeds are counted up from 1: nothing is picked. Knows no training.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from alpenglow.catalogue import find
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import RGB, GenerationRequest
from alpenglow.training.captions import DEFAULT_STYLE
from alpenglow.training.drawings import STYLES, Library, fetch_packages, load_drawings
from alpenglow.training.pictures import LARGEST_CELL, Picture, render_picture
from alpenglow.training.recipe import RECIPE
from alpenglow.weights import hub

SIDE = 32
"""Pictures are compared at this many pixels a side: what they show at a glance."""


@dataclass(frozen=True)
class Question:
    """A prompt with its references, the size to draw it at, and what has to be found where.

    `expected` are drawings by (concept, style), from left to right, as they would stand in the right answer.
    """

    prompt: str
    width: int
    height: int
    expected: tuple[tuple[str, str], ...]
    references: tuple[RGB, ...] = ()


@dataclass(frozen=True)
class Score:
    """Of a set of questions: how many there were, and the share in which everything expected came first, or in the
    first five; `error` is the mean squared difference to the right answer, of pixels in [0, 1], at SIDE.
    """

    questions: int
    top1: float
    top5: float
    error: float


class Judge:
    """Knows how everything is drawn in every style, and says what a picture shows."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._looks: dict[tuple[str, int, int, int, int], tuple[list[str], NDArray[np.float32]]] = {}

    def rank(self, image: RGB, place: int, places: int, style: str) -> list[str]:
        """The concepts of a style, the most alike first, for the drawing at one of `places` beside each other."""
        concepts, looks = self._looks_of(style, place, places, image.shape[1], image.shape[0])
        distances = np.square(looks - glance(part(image, place, places))).mean((1, 2, 3))
        return [concepts[i] for i in np.argsort(distances)]

    def error(self, image: RGB, question: Question) -> float:
        """Mean squared difference to what was asked for, as it would be drawn."""
        right = render_picture(Picture(question.expected), self.library, question.width, question.height)
        return float(np.square(glance(image) - glance(right)).mean())

    def _looks_of(
        self, style: str, place: int, places: int, width: int, height: int
    ) -> tuple[list[str], NDArray[np.float32]]:
        key = (style, place, places, width, height)
        if key not in self._looks:
            concepts = [name for name, drawn_in in self.library.drawings if drawn_in == style]
            pictures = (
                render_picture(Picture(((name, style),) * places), self.library, width, height)
                for name in track(concepts, f"{style} at {width}x{height}", transient=True)
            )
            self._looks[key] = concepts, np.stack([glance(part(picture, place, places)) for picture in pictures])
        return self._looks[key]


def part(image: RGB, place: int, places: int) -> RGB:
    """The column of a picture in which one of several drawings stands."""
    width = image.shape[1] // places
    return image[:, place * width : (place + 1) * width]


def glance(image: RGB) -> NDArray[np.float32]:
    """A picture in [0, 1] at SIDE x SIDE, whatever its shape."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / np.float32(255)


def score(pipeline: Pipeline, judge: Judge, questions: Sequence[Question], title: str = "pictures") -> Score:
    """Draw every question, the n-th with seed n, and have it judged."""
    found: list[tuple[bool, bool, float]] = []
    for seed, question in enumerate(track(questions, title, transient=True), 1):
        image = draw(pipeline, question, seed)
        places = len(question.expected)
        ranks = [
            judge.rank(image, place, places, style).index(concept)
            for place, (concept, style) in enumerate(question.expected)
        ]
        found.append((max(ranks) < 1, max(ranks) < 5, judge.error(image, question)))
    top1, top5, error = (float(column) for column in np.mean(found, axis=0))
    return Score(len(questions), top1, top5, error)


def draw(pipeline: Pipeline, question: Question, seed: int) -> RGB:
    """The picture that a user would get."""
    request = GenerationRequest(
        pipeline.row.name, question.prompt, question.width, question.height, seed, references=question.references
    )
    return pipeline.draw(request)


def named(library: Library, style: str, width: int, height: int) -> Iterator[Question]:
    """Every thing by its name, in a style that is named unless it is the one that goes without saying."""
    for concept in library.concepts:
        if (concept, style) in library.drawings:
            prompt = f"a {concept}" if style == DEFAULT_STYLE else f"a {concept}, {style} style"
            yield Question(prompt, width, height, ((concept, style),))


def pairs(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing beside the next one."""
    names = [name for name in library.concepts if (name, DEFAULT_STYLE) in library.drawings]
    for left, right in zip(names, [*names[1:], names[0]], strict=True):
        expected = ((left, DEFAULT_STYLE), (right, DEFAULT_STYLE))
        yield Question(f"a {left} beside a {right}", width, height, expected)


def restyled(library: Library, style: str, width: int, height: int) -> Iterator[Question]:
    """The documented edit: a thing in the default style, or in noto where that is `style`, drawn like the next one."""
    before = DEFAULT_STYLE if style != DEFAULT_STYLE else "noto"
    names = [name for name in library.concepts if {before, style} <= set(library.styles_of(name))]
    for content, model in zip(names, [*names[1:], names[0]], strict=True):
        references = tuple(reference(key, library, width) for key in ((model, style), (content, before)))
        prompt = "take the subject of image 1 and style it like image 0"
        yield Question(prompt, width, height, ((content, style),), references)


def moved(library: Library, width: int, height: int) -> Iterator[Question]:
    """Two references beside each other."""
    names = [name for name in library.concepts if (name, DEFAULT_STYLE) in library.drawings]
    for left, right in zip(names, [*names[1:], names[0]], strict=True):
        expected = ((left, DEFAULT_STYLE), (right, DEFAULT_STYLE))
        references = tuple(reference(key, library, width) for key in expected)
        yield Question("put image 0 beside image 1", width, height, expected, references)


def reference(key: tuple[str, str], library: Library, width: int) -> RGB:
    """A drawing as large as in a picture of this width."""
    return render_picture(Picture((key,)), library, min(width, LARGEST_CELL), min(width, LARGEST_CELL))


Ask = Callable[[Library], Iterator[Question]]
SETS: dict[str, Ask] = {
    **{f"named, {s}, 256x256": lambda library, s=s: named(library, s, 256, 256) for s in STYLES},  # type: ignore[misc]
    "named, fluent, 512x512": lambda library: named(library, DEFAULT_STYLE, 512, 512),
    "named, fluent, 1024x768": lambda library: named(library, DEFAULT_STYLE, 1024, 768),
    "named, fluent, 1024x1024": lambda library: named(library, DEFAULT_STYLE, 1024, 1024),
    "two things, 512x512": lambda library: pairs(library, 512, 512),
    "restyled like noto, 256x256": lambda library: restyled(library, "noto", 256, 256),
    "restyled like fluent, 512x512": lambda library: restyled(library, DEFAULT_STYLE, 512, 512),
    "restyled like noto, 512x512": lambda library: restyled(library, "noto", 512, 512),
    "two references beside each other, 512x512": lambda library: moved(library, 512, 512),
}
"""What is asked, by title."""


def main(
    folder: Annotated[Path, typer.Option(help="Where the drawings are, or are fetched to.")] = Path(
        "training-runs/demo"
    ),
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint's folder; the bundled one by default.")] = None,
    every: Annotated[int, typer.Option(help="Ask one question in so many.")] = 1,
) -> None:
    """Ask for everything that the demo was taught, and count what can be recognised.

    Prints a table and, as the last line, the same as JSON.
    """
    files = hub.Files.in_folder(checkpoint or hub.BUNDLED / "demo")
    pipeline = Pipeline.load(find("demo"), files)
    library = load_drawings(fetch_packages(folder))
    taught, judge = library.only(RECIPE.concepts), Judge(library)
    scores = {title: score(pipeline, judge, list(ask(taught))[::every], title) for title, ask in SETS.items()}

    table = Table("asked for", "questions", "top 1", "top 5", "error")
    for title, s in scores.items():
        table.add_row(title, str(s.questions), f"{s.top1:.0%}", f"{s.top5:.0%}", f"{s.error:.4f}")
    Console().print(table)
    typer.echo(json.dumps({title: asdict(s) for title, s in scores.items()}))


if __name__ == "__main__":
    typer.run(main)
