"""`python -m alpenglow.training.evaluate`: says in numbers what a demo checkpoint has learned.

A generated picture is right when, of all things that are drawn in its style, the one asked for looks most like it
(top 1) or is among the five that do (top 5); a landscape is compared with all landscapes. So says the nearest
neighbour, and beside it a classifier, which forgives what makes no other drawing of it. Seeds are counted up from 1:
nothing is picked. Beside that: how far the autoencoder's pictures are from what went in. Knows no training.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
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
from alpenglow.training.captions import DEFAULT_STYLE
from alpenglow.training.classifier import Classifier
from alpenglow.training.crops import to_signed
from alpenglow.training.drawings import Library, fetch_packages, load_drawings
from alpenglow.training.examples import TAUGHT
from alpenglow.training.pictures import DIVIDED, LARGEST_CELL, PLACES, TOKEN, Picture, cell, render_picture
from alpenglow.training.questions import OF_OTHERS, SETS, UNTAUGHT, Ask, Question, called, named
from alpenglow.training.scenes import SCENES, Scene
from alpenglow.training.things import FAVOURITES, OTHERS
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks

SIDE = 32
"""Pictures are compared at this many pixels a side: what they show at a glance."""


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
        self._looks: dict[tuple[int, int, tuple[Picture, ...]], NDArray[np.float32]] = {}

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
        around = np.pad(image, ((LARGEST_CELL,) * 2, (LARGEST_CELL,) * 2, (0, 0)), "edge")  # for cells beyond the frame
        boxes = (cell(width, height, place, right.layout) for place in range(len(right.drawings)))
        starts = ((left + LARGEST_CELL, top + LARGEST_CELL, box) for left, top, box in boxes)
        cells = (around[top : top + box, left : left + box] for left, top, box in starts)
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
        looks = self._looks_of(others, width, height)[:, place]
        distances = np.square(looks - glance(part(image, place, right.layout))).mean((1, 2, 3))
        return int((distances < distances[others.index(right)]).sum())

    def _looks_of(self, pictures: tuple[Picture, ...], width: int, height: int) -> NDArray[np.float32]:
        """Glances at every place of pictures of one layout, (pictures, places, SIDE, SIDE, 3)."""
        key, layout = (width, height, pictures), pictures[0].layout
        if key not in self._looks:
            shrink = 2 ** int(math.log2(max(1, min(width, height) / 256)))
            drawn = (
                render_picture(picture, self.library, width, height, shrink)
                for picture in track(pictures, f"what there is at {width}x{height}", transient=True)
            )
            places = range(PLACES.get(layout, 1))
            self._looks[key] = np.stack(
                [[glance(part(picture, place, layout, shrink)) for place in places] for picture in drawn]
            )
        return self._looks[key]


def part(image: RGB, place: int, layout: int, shrink: int = 1) -> RGB:
    """Where one of a layout's drawings stands: its part of a cell, or all that one or two have to themselves."""
    height, width = image.shape[:2]
    if layout in DIVIDED:
        left, top, box = cell(width, height, place, layout, LARGEST_CELL // shrink, TOKEN // shrink)
        return image[top : top + box, left : left + box]
    column = width // PLACES.get(layout, 1)
    return image[:, place * column : (place + 1) * column]


def glance(image: RGB) -> NDArray[np.float32]:
    """A picture in [0, 1] at SIDE x SIDE, whatever its shape."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / np.float32(255)


def score(
    pipeline: Pipeline, judge: Judge, questions: Sequence[Question], title: str = "pictures", *, classify: bool = True
) -> Score:
    """Draw every question, the n-th with seed n, and have it judged, by the classifier too unless told otherwise."""
    ranks, classified, errors = [], [], []
    for seed, question in enumerate(track(questions, title, transient=True), 1):
        image = draw(pipeline, question, seed)
        ranks.append(max(judge.ranks(image, question.right)))
        if classify and question.right.drawings:
            classified.append(max(judge.classified(image, question.right)))
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
    packages = fetch_packages(folder)
    library = load_drawings(packages)
    untaught = [name for name in library.concepts if name not in TAUGHT][::10]
    judge, scores = Judge(library), {}
    others = ((concepts, OF_OTHERS[group]) for group, concepts in OTHERS.items())
    ask_words = partial(called, folder=packages, tokenizer=files.tokenizer, width=256, height=256)
    words: dict[str, Ask] = {"words for something, 256x256": ask_words}
    for concepts, sets in ((FAVOURITES, SETS), *others, (untaught, UNTAUGHT), (TAUGHT, words)):
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
