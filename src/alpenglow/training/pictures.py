"""A picture as data, and its pixels: drawings on a colour or in a scene.

A Picture is small, frozen and hashable, so a pool of rendered (or encoded) pictures can be keyed by it.
Knows no captions.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from alpenglow.training.captions import COLOURS
from alpenglow.training.drawings import MARGIN, Drawing, Library, Pixels, render_rgba, render_svg
from alpenglow.training.scenes import GROUND, Scene, scene_svg

LARGEST_CELL = 512
"""In larger frames a drawing keeps this cell's size, that of the largest reference: what is learned at 512x512 serves
at 1024x768 and 1024x1024, and a reference is copied by moving its tokens."""

TOKEN = 64
"""Pixels of a token's side. Drawings move by whole tokens, so that each has one set of latents and not sixty-four."""

WITHIN: dict[str, tuple[tuple[float, float, float], ...]] = {
    "three": ((0.25, 0.0, 0.5), (0.0, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "four": ((0.0, 0.0, 0.5), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "small": ((0.25, 0.25, 0.5),),
    "on": ((0.25, 0.0, 0.5), (0.25, 0.5, 0.5)),
    "left": ((-0.25, 0.0, 1.0),),
    "right": ((0.25, 0.0, 1.0),),
    "up": ((0.0, -0.25, 1.0),),
    "down": ((0.0, 0.25, 1.0),),
}
"""Layouts that lie in the cell of a single drawing: how far from its left and top each drawing is, and how large, in
shares of that cell's side."""

LAYOUTS = ("none", "one", "two", *WITHIN)
"""All layouts. Those of nothing to four drawings, where no other is asked for, have the numbers of their drawings."""

DIVIDED = {LAYOUTS.index(name) for name, places in WITHIN.items() if any(share < 1 for *_, share in places)}
"""The layouts that leave a drawing only a part of a single one's cell."""

PLACES = {1: 1, 2: 2} | {LAYOUTS.index(name): len(places) for name, places in WITHIN.items()}
"""How many drawings a layout has, for each that has any, by its number."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Up to four drawings, by (concept name, style) from left to right, on a colour of COLOURS; none or one in a scene.

    `arrangement` is one of LAYOUTS where it is not what so many drawings have anyway.
    """

    drawings: tuple[tuple[str, str], ...]
    ground: str | Scene = "white"
    arrangement: str = ""

    @property
    def layout(self) -> int:
        """Its number in LAYOUTS."""
        return LAYOUTS.index(self.arrangement) if self.arrangement else len(self.drawings)


def render_picture(picture: Picture, library: Library, width: int, height: int, shrink: int = 1) -> Pixels:
    """The pixels: (height, width, 3) uint8, each side divided by `shrink`.

    A scene fills the frame, a single drawing is centred and fits the short side, two share the width, the others lie in
    or about that square; what reaches beyond the frame is cut off. Nothing is drawn larger than LARGEST_CELL allows,
    and what is so large lies on the grid of the tokens. Something in a scene stands on its ground.
    """
    width, height, largest, token = (length // shrink for length in (width, height, LARGEST_CELL, TOKEN))
    canvas = Image.fromarray(_ground(picture, width, height)).convert("RGBA")
    for i, key in enumerate(picture.drawings):
        left, top, box = cell(width, height, i, picture.layout, largest, token)
        sprite, inset = cut_out(library.drawings[key], box)
        if isinstance(picture.ground, Scene):
            top += token * round((GROUND * height - top - inset - _feet(sprite)) / token)
        layer = Image.new("RGBA", canvas.size)
        layer.paste(sprite, (left + inset, top + inset))
        canvas = Image.alpha_composite(canvas, layer)
    return np.asarray(canvas.convert("RGB"))


def cell(
    width: int, height: int, place: int, layout: int, largest: int = LARGEST_CELL, token: int = TOKEN
) -> tuple[int, int, int]:
    """Left, top and side, in pixels, of the square that a drawing has to itself, the one at `place` of a layout."""
    if LAYOUTS[layout] in WITHIN:
        first, above, whole = cell(width, height, 0, 1, largest, token)
        right, down, share = WITHIN[LAYOUTS[layout]][place]
        return round(first + right * whole), round(above + down * whole), round(share * whole)
    column = width / layout
    box = min(column, height, largest)
    left, top = (place + 0.5) * column - box / 2, (height - box) / 2
    if box == largest:
        left, top = left // token * token, top // token * token
    return round(left), round(top), round(box)


def cut_out(drawing: Drawing, box: int) -> tuple[Image.Image, int]:
    """A drawing without ground in a cell of `box` pixels, less the margin; how far that is inside of the cell."""
    size = round(box * (1 - 2 * MARGIN))
    return Image.fromarray(render_rgba(drawing, size)), round((box - size) / 2)


def render_scene(scene: Scene, width: int, height: int) -> Pixels:
    """The one form that a scene has at a size: of several, four steps of a small network draw a blurred mean."""
    return render_svg(scene_svg(scene, width, height, np.random.default_rng(0)))


def _ground(picture: Picture, width: int, height: int) -> Pixels:
    if isinstance(picture.ground, Scene):
        return render_scene(picture.ground, width, height)
    colour = [int(COLOURS[picture.ground][i : i + 2], 16) for i in (1, 3, 5)]
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


def _feet(sprite: Image.Image) -> int:
    """The lowest row of a drawing that is not transparent."""
    box = sprite.getchannel("A").getbbox()
    return box[3] if box else sprite.height
