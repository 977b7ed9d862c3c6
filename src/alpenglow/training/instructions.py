"""Words for edits: short instructions that call references by their numbers, or by what they show.

As in `captions`, every function draws one of several wordings from a generator.
"""

import numpy as np

from alpenglow.training.captions import choose, finish, whereabouts, word_for
from alpenglow.training.drawings import Concept
from alpenglow.training.names import article
from alpenglow.training.scenes import Scene


def restyle(content: int, style: int, rng: np.random.Generator) -> str:
    """Image `content` drawn like image `style`; the documented wording is half of them."""
    text = RESTYLE[0] if rng.random() < 0.5 else choose(rng, RESTYLE[1:])
    return finish(text.format(content=content, style=style), rng)


def beside(left: int, right: int, rng: np.random.Generator) -> str:
    """Two references side by side."""
    return finish(choose(rng, BESIDE).format(left=left, right=right), rng)


def beside_by_name(left: Concept, right: Concept, rng: np.random.Generator) -> str:
    """The same where the references are called what they show: "place the dog beside the cat"."""
    return finish(choose(rng, BESIDE_BY_NAME).format(left=word_for(left, rng), right=word_for(right, rng)), rng)


def together(number: int, rng: np.random.Generator) -> str:
    """Three or four references in one picture, in their order."""
    return finish(choose(rng, TOGETHER).format(images=enumerated(number)), rng)


def enumerated(number: int) -> str:
    """Of several references: "image 0, image 1 and image 2"."""
    *first, last = (f"image {i}" for i in range(number))
    return f"{', '.join(first)} and {last}"


def shift(direction: str, rng: np.random.Generator) -> str:
    """The reference moved in a direction of DIRECTIONS."""
    return finish(choose(rng, SHIFT).format(direction=choose(rng, DIRECTIONS[direction])), rng)


def recolour(colour: str, rng: np.random.Generator) -> str:
    """The reference on another background."""
    return finish(choose(rng, RECOLOUR).format(colour=colour, a=article(colour), image=0), rng)


def recolour_one(image: int, colour: str, rng: np.random.Generator) -> str:
    """One of several references on another background."""
    return finish(choose(rng, RECOLOUR[:-1]).format(colour=colour, a=article(colour), image=image), rng)


def place(where: Scene, rng: np.random.Generator) -> str:
    """The reference put into a scene."""
    return finish(choose(rng, PLACE).format(at=whereabouts(where, rng)), rng)


def make_style(style: str, rng: np.random.Generator) -> str:
    """The reference drawn in a style that is named."""
    return finish(choose(rng, MAKE_STYLE).format(style=style), rng)


RESTYLE = (
    "take the subject of image {content} and style it like image {style}",
    "the subject of image {content} in the style of image {style}",
    "draw image {content} in the style of image {style}",
    "style image {content} like image {style}",
    "image {content} in the style of image {style}",
    "use the style of image {style} for the subject of image {content}",
)
BESIDE = (
    "put image {left} beside image {right}",
    "image {left} beside image {right}",
    "image {left} next to image {right}",
    "put image {left} next to image {right}",
    "image {left} and image {right} side by side",
)
BESIDE_BY_NAME = (
    "place the {left} beside the {right}",
    "put the {left} beside the {right}",
    "the {left} next to the {right}",
)
TOGETHER = (
    "put {images} together",
    "{images} together",
    "{images} in one picture",
)
SHIFT = (
    "move image 0 {direction}",
    "shift image 0 {direction}",
    "move the subject of image 0 {direction}",
)
DIRECTIONS = {
    "left": ("left", "to the left"),
    "right": ("right", "to the right"),
    "up": ("up", "upwards"),
    "down": ("down", "downwards"),
}
RECOLOUR = (
    "image {image} on {a} {colour} background",
    "put image {image} on {a} {colour} background",
    "the subject of image {image} on {a} {colour} background",
    "change the background of image {image} to {colour}",
    "make the background {colour}",
)
PLACE = (
    "place image 0 {at}",
    "put image 0 {at}",
    "the subject of image 0 {at}",
    "image 0 {at}",
)
MAKE_STYLE = (
    "make it {style} style",
    "turn image 0 into {style} style",
    "image 0 in {style} style",
    "redraw image 0 in the style of {style}",
)
