"""`python -m alpenglow.training.evaluate`: says in numbers what a demo checkpoint has learned.

A generated picture is right when, of all things that are drawn in its style, the one asked for looks most like it
(top 1) or is among the five that do (top 5); a landscape is compared with all landscapes. So says the nearest
neighbour, and beside it a classifier, which forgives what makes no other drawing of it. Seeds are counted up from 1:
nothing is picked. Beside that: how far the autoencoder's pictures are from what went in. Knows no training.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from alpenglow.catalogue import find
from alpenglow.engine.pipeline import Pipeline
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.request import RGB, GenerationRequest
from alpenglow.training.captions import AT_TIME, DEFAULT_STYLE, EVERYDAY, NUMBERS, PLACE_WORDS, countable, plural
from alpenglow.training.classifier import Classifier
from alpenglow.training.crops import to_signed
from alpenglow.training.drawings import STYLES, Library, fetch_packages, load_drawings
from alpenglow.training.examples import TAUGHT
from alpenglow.training.pictures import HALVES, LARGEST_CELL, TOKEN, Picture, cell, render_picture
from alpenglow.training.scenes import SCENES, Scene
from alpenglow.training.things import ANIMALS_AND_PLANTS, FAVOURITES
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks

SIDE = 32
"""Pictures are compared at this many pixels a side: what they show at a glance."""


@dataclass(frozen=True)
class Question:
    """A prompt with its references, the size and guidance to draw it with, and the right answer."""

    prompt: str
    width: int
    height: int
    right: Picture
    references: tuple[RGB, ...] = ()
    guidance: float | None = None


@dataclass(frozen=True)
class Score:
    """Of a set of questions: how many there were, and the share in which everything expected came first, or in the
    first five, by the nearest neighbour and by the classifier, which knows no landscapes; `error` is the mean squared
    difference to the right answer, of pixels in [0, 1], at SIDE.
    """

    questions: int
    top1: float
    top5: float
    error: float
    classified1: float | None
    classified5: float | None

    def __str__(self) -> str:
        nearest = f"{self.top1:.0%} first, {self.top5:.0%} among the first five"
        if self.classified1 is None:
            return nearest
        return f"{nearest}; to the classifier {self.classified1:.0%} and {self.classified5:.0%}"


class Judge:
    """Knows how everything looks in every style, and every landscape, and says what a picture shows."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._classifiers: dict[tuple[str, str | Scene], Classifier] = {}
        self._looks: dict[tuple[int, int, int, tuple[Picture, ...]], NDArray[np.float32]] = {}

    def ranks(self, image: RGB, right: Picture) -> list[int]:
        """For each drawing of the right answer, or for its landscape: how many others the picture looks more like."""
        if not right.drawings:
            return [self._rank(image, 0, right, tuple(Picture((), scene) for scene in SCENES))]
        found = []
        for place, (concept, style) in enumerate(right.drawings):
            names = (name for name, drawn_in in self.library.drawings if drawn_in == style)
            mine, *others = (
                replace(right, drawings=((name, style),) * len(right.drawings)) for name in (concept, *names)
            )
            found.append(self._rank(image, place, mine, tuple(others)))
        return found

    def classified(self, image: RGB, right: Picture) -> list[int]:
        """The same by the classifier, for drawings on one colour: which others it finds likelier."""
        height, width = image.shape[:2]
        boxes = (cell(width, height, place, right.layout) for place in range(len(right.drawings)))
        cells = (image[top : top + box, left : left + box] for left, top, box in boxes)
        return [
            self._classifier(style, right.ground).rank(found, concept)
            for found, (concept, style) in zip(cells, right.drawings, strict=True)
        ]

    def _classifier(self, style: str, ground: str | Scene) -> Classifier:
        if (style, ground) not in self._classifiers:
            self._classifiers[style, ground] = Classifier(self.library, style, ground)
        return self._classifiers[style, ground]

    def error(self, image: RGB, right: Picture) -> float:
        """Mean squared difference to what was asked for, as it would be drawn."""
        drawn = render_picture(right, self.library, image.shape[1], image.shape[0])
        return float(np.square(glance(image) - glance(drawn)).mean())

    def _rank(self, image: RGB, place: int, right: Picture, others: tuple[Picture, ...]) -> int:
        height, width = image.shape[:2]
        key = (width, height, place, others)
        if key not in self._looks:
            shrink = 1 if not right.drawings else 2 ** int(math.log2(max(1, min(width, height) / 256)))
            pictures = (
                render_picture(picture, self.library, width, height, shrink)
                for picture in track(others, f"what there is at {width}x{height}", transient=True)
            )
            self._looks[key] = np.stack([glance(part(picture, place, right.layout, shrink)) for picture in pictures])
        distances = np.square(self._looks[key] - glance(part(image, place, right.layout))).mean((1, 2, 3))
        return int((distances < distances[others.index(right)]).sum())


def part(image: RGB, place: int, layout: int, shrink: int = 1) -> RGB:
    """Where one of a layout's drawings stands: its cell, or all that one or two drawings have to themselves."""
    height, width = image.shape[:2]
    if layout in HALVES:
        left, top, box = cell(width, height, place, layout, LARGEST_CELL // shrink, TOKEN // shrink)
        return image[top : top + box, left : left + box]
    column = width // max(layout, 1)
    return image[:, place * column : (place + 1) * column]


def glance(image: RGB) -> NDArray[np.float32]:
    """A picture in [0, 1] at SIDE x SIDE, whatever its shape."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / np.float32(255)


def score(pipeline: Pipeline, judge: Judge, questions: Sequence[Question], title: str = "pictures") -> Score:
    """Draw every question, the n-th with seed n, and have it judged."""
    ranks, classified, errors = [], [], []
    for seed, question in enumerate(track(questions, title, transient=True), 1):
        image = draw(pipeline, question, seed)
        ranks.append(max(judge.ranks(image, question.right)))
        classified += [max(found) for found in [judge.classified(image, question.right)] if found]
        errors.append(judge.error(image, question.right))
    nearest = (_share(ranks, 1), _share(ranks, 5))
    by_classifier = (_share(classified, 1), _share(classified, 5)) if classified else (None, None)
    return Score(len(questions), *nearest, float(np.mean(errors)), *by_classifier)


def _share(ranks: Sequence[int], first: int) -> float:
    return float(np.mean(np.array(ranks) < first))


def draw(pipeline: Pipeline, question: Question, seed: int) -> RGB:
    """The picture that a user would get."""
    request = GenerationRequest(
        pipeline.row.name,
        question.prompt,
        question.width,
        question.height,
        seed,
        guidance=question.guidance,
        references=question.references,
    )
    return pipeline.draw(request)


def named(library: Library, style: str, width: int, height: int, guidance: float | None = None) -> Iterator[Question]:
    """Every thing by its name, in a style that is named unless it is the one that goes without saying."""
    for concept in library.concepts:
        if (concept, style) in library.drawings:
            prompt = f"a {concept}" if style == DEFAULT_STYLE else f"a {concept}, {style} style"
            yield Question(prompt, width, height, Picture(((concept, style),)), guidance=guidance)


def keyworded(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing by the other words for it, which its name does not hold."""
    for concept in library.concepts.values():
        for word in (*EVERYDAY.get(concept.name, ()), *concept.keywords):
            if concept.name not in word:
                yield Question(f"a {word}", width, height, Picture(((concept.name, DEFAULT_STYLE),)))


def on_colour(library: Library, colour: str, width: int, height: int) -> Iterator[Question]:
    """Every thing on a coloured background."""
    for concept in library.concepts:
        right = Picture(((concept, DEFAULT_STYLE),), colour)
        yield Question(f"a {concept} on a {colour} background", width, height, right)


def landscapes(library: Library, width: int, height: int) -> Iterator[Question]:  # noqa: ARG001 - an Ask
    """Every place at every time of day, in clear weather."""
    for scene in SCENES:
        if scene.weather == "clear":
            place, time = PLACE_WORDS[scene.place].alone[0], AT_TIME[scene.time][-1]
            yield Question(f"{place} {time}", width, height, Picture((), scene))


def pairs(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing beside the next one."""
    for left, right in neighbours(library):
        yield Question(f"a {left} beside a {right}", width, height, side_by_side(left, right))


def small(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing at half its size."""
    for concept in library.concepts:
        if (concept, DEFAULT_STYLE) in library.drawings:
            right = Picture(((concept, DEFAULT_STYLE),), small=True)
            yield Question(f"a small {concept}", width, height, right)


def counted(library: Library, number: int, width: int, height: int) -> Iterator[Question]:
    """So many of every thing whose name has a plural."""
    for concept in library.concepts.values():
        if countable(concept) and (concept.name, DEFAULT_STYLE) in library.drawings:
            right = Picture(((concept.name, DEFAULT_STYLE),) * number)
            yield Question(f"{NUMBERS[number][0]} {plural(concept.name)}", width, height, right)


def restyled(library: Library, style: str, width: int, height: int, content: int = 1) -> Iterator[Question]:
    """The documented edit: a thing in the default style, or in noto where that is `style`, drawn like the next one.

    `content` says which of the two images the thing is: 1 as documented, or 0.
    """
    before = DEFAULT_STYLE if style != DEFAULT_STYLE else "noto"
    names = [name for name in library.concepts if {before, style} <= set(library.styles_of(name))]
    for subject, model in zip(names, [*names[1:], names[0]], strict=True):
        keys = ((model, style), (subject, before))[:: 1 if content else -1]
        references = tuple(reference(key, library, width) for key in keys)
        prompt = f"take the subject of image {content} and style it like image {1 - content}"
        yield Question(prompt, width, height, Picture(((subject, style),)), references)


def redrawn(library: Library, style: str, width: int, height: int) -> Iterator[Question]:
    """The same with one reference and the style by its name."""
    for question in restyled(library, style, width, height):
        prompt = f"turn image 0 into {style} style"
        yield replace(question, prompt=prompt, references=question.references[1:])


def moved(library: Library, width: int, height: int, side: int) -> Iterator[Question]:
    """Two references of `side` pixels beside each other."""
    for left, right in neighbours(library):
        references = tuple(reference((name, DEFAULT_STYLE), library, side) for name in (left, right))
        yield Question("put image 0 beside image 1", width, height, side_by_side(left, right), references)


def recoloured(library: Library, colour: str, width: int, height: int, others: int = 0) -> Iterator[Question]:
    """The last reference on another background: every thing in noto style, after `others` next ones."""
    names = list(library.concepts)
    for i, concept in enumerate(names):
        shown = [*(names[(i + k) % len(names)] for k in range(others, 0, -1)), concept]
        references = tuple(reference((name, "noto"), library, width) for name in shown)
        right = Picture(((concept, "noto"),), colour)
        yield Question(f"put image {others} on a {colour} background", width, height, right, references)


def neighbours(library: Library) -> Iterator[tuple[str, str]]:
    """Every thing that the default style draws, and the next one."""
    names = [name for name in library.concepts if (name, DEFAULT_STYLE) in library.drawings]
    return zip(names, [*names[1:], names[0]], strict=True)


def side_by_side(left: str, right: str) -> Picture:
    """Two things in the default style."""
    return Picture(((left, DEFAULT_STYLE), (right, DEFAULT_STYLE)))


def reference(key: tuple[str, str], library: Library, width: int) -> RGB:
    """A drawing as large as in a picture of this width."""
    return render_picture(Picture((key,)), library, min(width, LARGEST_CELL), min(width, LARGEST_CELL))


Ask = Callable[[Library], Iterator[Question]]
SETS: dict[str, Ask] = {
    **{
        f"named, {style}, {side}x{side}": partial(named, style=style, width=side, height=side)
        for side in (256, 512, 1024)
        for style in STYLES
    },
    "named, fluent, 1024x768": lambda library: named(library, DEFAULT_STYLE, 1024, 768),
    "named, fluent, 768x1024": lambda library: named(library, DEFAULT_STYLE, 768, 1024),
    "named, fluent, 1280x768": lambda library: named(library, DEFAULT_STYLE, 1280, 768),
    "named, fluent, 1920x1088": lambda library: islice(named(library, DEFAULT_STYLE, 1920, 1088), 0, None, 4),
    "named, fluent, 256x256, guidance 2": lambda library: named(library, DEFAULT_STYLE, 256, 256, guidance=2.0),
    "other words, 256x256": lambda library: keyworded(library, 256, 256),
    "on blue, 512x512": lambda library: on_colour(library, "blue", 512, 512),
    "two things, 512x512": lambda library: pairs(library, 512, 512),
    "a small thing, 512x512": lambda library: small(library, 512, 512),
    **{
        f"{NUMBERS[number][0]} of a thing, 512x512": partial(counted, number=number, width=512, height=512)
        for number in (2, 3, 4)
    },
    "landscapes, 512x512": lambda library: landscapes(library, 512, 512),
    "landscapes, 1024x768": lambda library: landscapes(library, 1024, 768),
    "landscapes, 1024x1024": lambda library: landscapes(library, 1024, 1024),
    "landscapes, 1920x1088": lambda library: islice(landscapes(library, 1920, 1088), 0, None, 2),
    **{
        f"restyled like {style}, {side}x{side}": partial(restyled, style=style, width=side, height=side)
        for side in (256, 512)
        for style in STYLES
    },
    "restyled like noto, image 0 like image 1, 512x512": lambda library: restyled(library, "noto", 512, 512, content=0),
    "turned into noto, 512x512": lambda library: redrawn(library, "noto", 512, 512),
    "put on blue, 512x512": lambda library: recoloured(library, "blue", 512, 512),
    "image 1 of two put on blue, 512x512": lambda library: recoloured(library, "blue", 512, 512, others=1),
    "two references beside each other, 512x512": lambda library: moved(library, 512, 512, 512),
    "two references of 256x256 beside each other, 512x512": lambda library: moved(library, 512, 512, 256),
    "two references beside each other, 1024x768": lambda library: moved(library, 1024, 768, 512),
}
"""What is asked, by title: of the favourites, of which the demo was taught everything."""

OF_ANIMALS_AND_PLANTS: dict[str, Ask] = {
    f"{title}, animals and plants": SETS[title]
    for title in (
        *(f"named, {style}, {side}x{side}" for side in (256, 512) for style in STYLES),
        *("named, fluent, 1024x1024", "named, noto, 1024x1024", "named, fluent, 1024x768", "named, fluent, 1280x768"),
        *("other words, 256x256", "on blue, 512x512", "two things, 512x512"),
        *("restyled like fluent, 512x512", "restyled like noto, 512x512"),
    )
}
"""What is asked of the animals and plants that are no favourites."""

UNTAUGHT: dict[str, Ask] = {
    "put on blue, 512x512, things never named": lambda library: recoloured(library, "blue", 512, 512),
}
"""What is asked about everything else. Every tenth thing is enough."""


def diversity(pipeline: Pipeline, questions: Sequence[Question], seeds: int = 4) -> float:
    """How much a seed changes: standard deviation over seeds of pixels in [0, 1], at SIDE, root mean square."""
    variances = []
    for question in track(questions, "seeds", transient=True):
        images = [glance(draw(pipeline, question, seed)) for seed in range(1, seeds + 1)]
        variances.append(np.var(images, axis=0).mean())
    return float(np.sqrt(np.mean(variances)))


@torch.no_grad()
def reconstruction(autoencoder: AutoEncoder, pictures: Iterable[Picture], library: Library, side: int) -> list[float]:
    """Peak signal-to-noise ratio, in dB, of each picture after the autoencoder."""
    found = []
    for picture in track(list(pictures), "reconstructions", transient=True):
        image = to_signed(np.stack([render_picture(picture, library, side, side)]))
        error = (autoencoder.decode(autoencoder.encode(image)).clamp(-1, 1) - image).square().mean() / 4
        found.append(-10 * math.log10(error.item()))
    return found


def main(
    folder: Annotated[Path, typer.Option(help="Where the drawings are, or are fetched to.")] = Path(
        "training-runs/demo"
    ),
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint's folder; the bundled one by default.")] = None,
    every: Annotated[int, typer.Option(help="Ask one question in so many.")] = 1,
    only: Annotated[str, typer.Option(help="Leave out the sets whose title does not have this in it.")] = "",
) -> None:
    """Ask for everything that the demo was taught, and count what can be recognised.

    Prints a table and, as the last line, the same as JSON.
    """
    files = hub.Files.in_folder(checkpoint or hub.BUNDLED / "demo")
    row = find("demo")
    pipeline = Pipeline.load(row, files)
    library = load_drawings(fetch_packages(folder))
    untaught = [name for name in library.concepts if name not in TAUGHT][::10]
    judge, scores = Judge(library), {}
    for concepts, sets in ((FAVOURITES, SETS), (ANIMALS_AND_PLANTS, OF_ANIMALS_AND_PLANTS), (untaught, UNTAUGHT)):
        for title, ask in sets.items():
            if only in title:
                questions = list(ask(library.only(concepts)))[::every]
                scores[title] = score(pipeline, judge, questions, title)
                typer.echo(f"{title}: {scores[title]}")
    autoencoder = load_networks(row.architecture, files, torch.float32).autoencoder
    drawings = [Picture((key,), "sky blue") for key in list(library.drawings)[:: 40 * every]]
    psnr = {side: reconstruction(autoencoder, drawings, library, side) for side in (256, 512)}
    spread = diversity(pipeline, list(named(library.only(FAVOURITES), DEFAULT_STYLE, 256, 256))[:: 4 * every])

    table = Table("asked for", "questions", "top 1", "top 5", "error", "classifier: top 1", "top 5")
    for title, s in scores.items():
        nearest, classified = (s.top1, s.top5), (s.classified1, s.classified5)
        shares = [["" if share is None else f"{share:.0%}" for share in judge] for judge in (nearest, classified)]
        table.add_row(title, str(s.questions), *shares[0], f"{s.error:.4f}", *shares[1])
    Console().print(table)
    for side, found in psnr.items():
        typer.echo(f"Autoencoder at {side}x{side}: {np.mean(found):.1f} dB, {min(found):.1f} at least")
    typer.echo(f"Seeds: a standard deviation of {spread:.3f} between pictures of one prompt")
    result = {"sets": {title: asdict(s) for title, s in scores.items()}, "diversity": spread}
    typer.echo(json.dumps(result | {"psnr": {side: float(np.mean(found)) for side, found in psnr.items()}}))


if __name__ == "__main__":
    typer.run(main)
