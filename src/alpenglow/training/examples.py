"""The sampler: which captioned pictures the demo checkpoint learns from, how often each kind, drawn from a seed.

A Plan is pure data and cheap. Knows no pixels and no tensors.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alpenglow.training import captions, instructions
from alpenglow.training.drawings import Concept, Library
from alpenglow.training.names import countable
from alpenglow.training.pictures import Picture
from alpenglow.training.scenes import SCENES, Scene
from alpenglow.training.things import FAVOURITES, OTHERS


@dataclass(frozen=True, slots=True)
class Plan:
    """A caption, the picture that it asks for, and the pictures that it refers to as image 0, image 1."""

    kind: str
    caption: str
    picture: Picture
    references: tuple[Picture, ...] = ()


KINDS: dict[str, float] = {
    "subject": 0.32,
    "scene": 0.06,
    "subject at scene": 0.1,
    "pair": 0.07,
    "restyle": 0.2,
    "recolour": 0.05,
    "beside": 0.06,
    "beside by name": 0.01,
    "together": 0.02,
    "shift": 0.02,
    "place": 0.05,
    "make style": 0.04,
    "size": 0.03,
    "count": 0.03,
    "on": 0.01,
}
"""The kinds of example, and how often each is drawn where no stage says otherwise."""

SCENIC = {"scene", "subject at scene", "place"}
"""The kinds whose pictures show a scene. All others have a ground of one colour."""

STYLE_WEIGHTS: dict[str, float] = {"fluent": 0.34, "noto": 0.2, "twemoji": 0.2, "fxemoji": 0.26}
"""How often a style is drawn. The one that an unstyled caption means comes first."""

TAUGHT = FAVOURITES.union(*OTHERS.values())
"""What is to be known by name. Everything else is only copied from references."""

FAVOURED = 1.5
"""How many times as often as another each of FAVOURITES is drawn."""

PLACE_WEIGHTS: dict[str, float] = {"mountains": 3.0, "hills": 2.0, "beach": 1.5}
TIME_WEIGHTS: dict[str, float] = {"sunset": 2.0, "day": 1.5}
WEATHER_WEIGHTS: dict[str, float] = {"clear": 4.0}
"""How often a scene is drawn, where not 1: the product of the three."""

Draw = Callable[[np.random.Generator], tuple[Concept, str]]


class Sampler:
    """Draws plans over a library. All chance comes from the generators passed in.

    `synonyms` is how often a single thing is called by a keyword, `taught` what is called by name at all.
    """

    def __init__(self, library: Library, synonyms: float = captions.SYNONYMS, taught: Container[str] = TAUGHT) -> None:
        self.library, self.synonyms = library, synonyms
        self._planners: dict[str, Callable[[np.random.Generator], Plan]] = {
            "subject": self._subject,
            "scene": self._scene,
            "subject at scene": self._subject_at_scene,
            "pair": self._pair,
            "restyle": self._restyle,
            "recolour": self._recolour,
            "beside": self._beside,
            "beside by name": self._beside_by_name,
            "together": self._together,
            "shift": self._shift,
            "place": self._place,
            "make style": self._make_style,
            "size": self._size,
            "count": self._count,
            "on": self._on,
        }
        self._kind_names = tuple(KINDS)
        self._kinds = _cumulated(KINDS.values())
        self._keys = tuple(library.drawings)
        weights = [_drawing_weight(*key) * (key[0] in taught) for key in self._keys]
        self._weights = _cumulated(weights)
        self._concepts = tuple(library.concepts.values())
        other_styles = dict.fromkeys(library.concepts, 0.0)
        for (name, style), weight in zip(self._keys, weights, strict=True):
            other_styles[name] += weight * (style != captions.DEFAULT_STYLE)
        self._restyled = _cumulated(other_styles.values())
        self._scenes = _cumulated(_frequency(scene) for scene in SCENES)

    def plan(self, rng: np.random.Generator, kind: str | None = None) -> Plan:
        """One plan, of a kind drawn by its weight in KINDS where none is given."""
        return self._planners[self._kind_names[_pick(self._kinds, rng)] if kind is None else kind](rng)

    def _subject(self, rng: np.random.Generator) -> Plan:
        concept, style = self._drawing(rng)
        colour = _colour(rng) if rng.random() < 0.35 else "white"
        caption = captions.subject(concept, style, rng, colour, self.synonyms)
        return Plan("subject", caption, Picture(((concept.name, style),), colour))

    def _scene(self, rng: np.random.Generator) -> Plan:
        where = self._any_scene(rng)
        return Plan("scene", captions.scene(where, rng), Picture((), where))

    def _subject_at_scene(self, rng: np.random.Generator) -> Plan:
        concept, style = self._figure(rng, self._drawing)
        where = self._ground(rng)
        caption = captions.in_scene(concept, style, where, rng)
        return Plan("subject at scene", caption, Picture(((concept.name, style),), where))

    def _pair(self, rng: np.random.Generator) -> Plan:
        left, style = self._drawing(rng)
        right = self._other(left, style, rng, self._drawing)
        colour = _colour(rng) if rng.random() < 0.25 else "white"
        caption = captions.pair(left, right, style, rng, colour)
        return Plan("pair", caption, Picture(((left.name, style), (right.name, style)), colour))

    def _restyle(self, rng: np.random.Generator) -> Plan:
        concept, style = self._drawing_in_any_style(rng)
        content = Picture(((concept.name, self._other_style(concept, style, rng)),))
        model = Picture(((self._other(concept, style, rng, self._any_drawing).name, style),))
        swapped = rng.random() < 0.4
        caption = instructions.restyle(0, 1, rng) if swapped else instructions.restyle(1, 0, rng)
        references = (content, model) if swapped else (model, content)
        return Plan("restyle", caption, Picture(((concept.name, style),)), references)

    def _recolour(self, rng: np.random.Generator) -> Plan:
        concept, style = self._any_drawing(rng)
        colour, drawing = _colour(rng), ((concept.name, style),)
        alone = Plan("recolour", instructions.recolour(colour, rng), Picture(drawing, colour), (Picture(drawing),))
        (company,) = rng.spawn(1)
        return alone if company.random() < 0.5 else self._in_company(alone, colour, company)

    def _in_company(self, alone: Plan, colour: str, rng: np.random.Generator) -> Plan:
        """The same with two to four references, of which the caption means one: so a number's meaning is learned."""
        number = (2, 2, 3, 4)[int(rng.integers(4))]
        place = int(rng.integers(number))
        references = [Picture((self._any_key(rng),)) for _ in range(number - 1)]
        references.insert(place, *alone.references)
        return Plan("recolour", instructions.recolour_one(place, colour, rng), alone.picture, tuple(references))

    def _beside(self, rng: np.random.Generator) -> Plan:
        first, style = self._any_drawing(rng)
        keys = ((first.name, style), (self._other(first, style, rng, self._any_drawing).name, style))
        left, right = (0, 1) if rng.random() < 0.6 else (1, 0)
        references = (Picture((keys[0],)), Picture((keys[1],)))
        return Plan("beside", instructions.beside(left, right, rng), Picture((keys[left], keys[right])), references)

    def _beside_by_name(self, rng: np.random.Generator) -> Plan:
        """The references in either order: what they show says which goes where."""
        left, style = self._drawing(rng)
        right = self._other(left, style, rng, self._drawing)
        keys = ((left.name, style), (right.name, style))
        references = tuple(Picture((key,)) for key in keys[:: 1 if rng.random() < 0.5 else -1])
        return Plan("beside by name", instructions.beside_by_name(left, right, rng), Picture(keys), references)

    def _together(self, rng: np.random.Generator) -> Plan:
        number = int(rng.integers(3, 5))
        keys = tuple(self._any_key(rng) for _ in range(number))
        return Plan(
            "together", instructions.together(number, rng), Picture(keys), tuple(Picture((key,)) for key in keys)
        )

    def _shift(self, rng: np.random.Generator) -> Plan:
        direction, drawing = captions.choose(rng, tuple(instructions.DIRECTIONS)), (self._any_key(rng),)
        moved = Picture(drawing, arrangement=direction)
        return Plan("shift", instructions.shift(direction, rng), moved, (Picture(drawing),))

    def _place(self, rng: np.random.Generator) -> Plan:
        concept, style = self._figure(rng, self._any_drawing)
        where, drawing = self._ground(rng), ((concept.name, style),)
        return Plan("place", instructions.place(where, rng), Picture(drawing, where), (Picture(drawing),))

    def _make_style(self, rng: np.random.Generator) -> Plan:
        concept, style = self._drawing_in_any_style(rng)
        reference = Picture(((concept.name, self._other_style(concept, style, rng)),))
        return Plan("make style", instructions.make_style(style, rng), Picture(((concept.name, style),)), (reference,))

    def _size(self, rng: np.random.Generator) -> Plan:
        """A thing that is called small is, one that is called large is as large as any."""
        concept, style = self._drawing(rng)
        small, colour = rng.random() < 0.8, _colour(rng) if rng.random() < 0.25 else "white"
        caption = captions.size(concept, style, rng, captions.SMALL if small else captions.LARGE, colour)
        return Plan("size", caption, Picture(((concept.name, style),), colour, "small" if small else ""))

    def _count(self, rng: np.random.Generator) -> Plan:
        concept, style = self._drawing(rng)
        while not countable(concept):
            concept, style = self._drawing(rng)
        number, colour = int(rng.integers(2, 5)), _colour(rng) if rng.random() < 0.25 else "white"
        caption = captions.count(concept, style, rng, number, colour)
        return Plan("count", caption, Picture(((concept.name, style),) * number, colour))

    def _on(self, rng: np.random.Generator) -> Plan:
        upper, style = self._drawing(rng)
        lower = self._other(upper, style, rng, self._drawing)
        colour = _colour(rng) if rng.random() < 0.25 else "white"
        caption = captions.stacked(upper, lower, style, rng, colour)
        return Plan("on", caption, Picture(((upper.name, style), (lower.name, style)), colour, "on"))

    def _any_scene(self, rng: np.random.Generator) -> Scene:
        """A scene by its weight."""
        return SCENES[_pick(self._scenes, rng)]

    def _ground(self, rng: np.random.Generator) -> Scene:
        """A scene that something can stand in."""
        while True:
            where = self._any_scene(rng)
            if where.place != "sea":
                return where

    def _figure(self, rng: np.random.Generator, draw: Draw) -> tuple[Concept, str]:
        """A drawing that can stand in a scene: neither a sign nor a small landscape itself."""
        while True:
            concept, style = draw(rng)
            if concept.group != "symbols" and concept.name not in captions.SCENIC:
                return concept, style

    def _drawing(self, rng: np.random.Generator) -> tuple[Concept, str]:
        """A concept and a style that draws it, by what is to be known by name."""
        name, style = self._keys[_pick(self._weights, rng)]
        return self.library.concepts[name], style

    def _any_drawing(self, rng: np.random.Generator) -> tuple[Concept, str]:
        """Each as likely: an edit that copies a reference need not know what it shows."""
        name, style = self._any_key(rng)
        return self.library.concepts[name], style

    def _any_key(self, rng: np.random.Generator) -> tuple[str, str]:
        return self._keys[int(rng.integers(len(self._keys)))]

    def _drawing_in_any_style(self, rng: np.random.Generator) -> tuple[Concept, str]:
        """A concept and a style, each style as likely: were one common, guessing it would pay more than looking."""
        concept = self._concepts[_pick(self._restyled, rng)]
        return concept, captions.choose(rng, self.library.styles_of(concept.name))

    def _other(self, concept: Concept, style: str, rng: np.random.Generator, draw: Draw) -> Concept:
        """Another concept that `style` draws."""
        while True:
            other, drawn_in = draw(rng)
            if other is not concept and drawn_in == style:
                return other

    def _other_style(self, concept: Concept, style: str, rng: np.random.Generator) -> str:
        return captions.choose(rng, [other for other in self.library.styles_of(concept.name) if other != style])


def training_prompts(library: Library, rng: np.random.Generator, count: int) -> list[str]:
    """Captions as they occur in training, of all things that there are, to fit a tokenizer on."""
    sampler = Sampler(library, taught=library.concepts)
    return [sampler.plan(rng).caption for _ in range(count)]


def _drawing_weight(name: str, style: str) -> float:
    """How often a drawing is drawn among all of them, by what is to be known of it."""
    return STYLE_WEIGHTS[style] * (FAVOURED if name in FAVOURITES else 1.0)


def _frequency(scene: Scene) -> float:
    place, time = PLACE_WEIGHTS.get(scene.place, 1.0), TIME_WEIGHTS.get(scene.time, 1.0)
    return place * time * WEATHER_WEIGHTS.get(scene.weather, 1.0)


def _colour(rng: np.random.Generator) -> str:
    return captions.choose(rng, tuple(captions.COLOURS)[1:])


def _cumulated(weights: Iterable[float]) -> NDArray[np.float64]:
    total = np.cumsum(list(weights))
    return total / total[-1]


def _pick(cumulated: NDArray[np.float64], rng: np.random.Generator) -> int:
    return int(np.searchsorted(cumulated, rng.random(), side="right"))
