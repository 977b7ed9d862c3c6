"""Words for drawings, scenes, compositions and edits: short captions as somebody would type them.

Every function draws one of several wordings from a generator. Knows names, not pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alpenglow.training.drawings import Concept
from alpenglow.training.names import EVERYDAY, article, has_plural, other_words, plural
from alpenglow.training.scenes import Scene

COLOURS: dict[str, str] = {
    "white": "#ffffff",
    "black": "#1d1d22",
    "gray": "#9aa0a8",
    "red": "#e5484d",
    "orange": "#f7893b",
    "yellow": "#fbd75b",
    "green": "#4caf6d",
    "mint": "#a9e3c4",
    "turquoise": "#3dbfbf",
    "sky blue": "#8fd0f5",
    "blue": "#3b82d6",
    "navy": "#1f2f5c",
    "purple": "#8457c5",
    "lavender": "#c9b8f0",
    "pink": "#f6a5c0",
    "brown": "#8d6245",
    "beige": "#f0e2c8",
}
"""Background colours by name. A caption that names none means white."""

DEFAULT_STYLE = "fluent"
"""The style that a caption means when it names none, so that such a caption has one answer and not four."""

SYNONYMS = 0.15
"""How often a thing is called by one of its keywords."""

DEFAULT_PLACE = "hills"
"""Where "a sunset" happens."""


def subject(
    concept: Concept,
    style: str,
    rng: np.random.Generator,
    colour: str = "white",
    synonyms: float = SYNONYMS,
) -> str:
    """One drawing on a background: "a dog on a blue background, noto style"."""
    opening = _maybe(rng, 0.12, ("a picture of ", "a drawing of ", "an emoji of ", "an icon of "))
    text = opening + _thing(concept, rng, synonyms)
    return finish(text + _on(colour) + _in_style(concept, style, rng), rng)


def pair(left: Concept, right: Concept, style: str, rng: np.random.Generator, colour: str = "white") -> str:
    """Two drawings side by side: "a dog beside a cat"."""
    link = choose(rng, (" beside ", " beside ", " next to ", " and ", " with "))
    return finish(_thing(left, rng) + link + _thing(right, rng) + _on(colour) + _in_style(None, style, rng), rng)


def stacked(upper: Concept, lower: Concept, style: str, rng: np.random.Generator, colour: str = "white") -> str:
    """One drawing above another: "a cat on a car"."""
    link = choose(rng, (" on ", " on ", " on top of ", " above "))
    return finish(_thing(upper, rng) + link + _thing(lower, rng) + _on(colour) + _in_style(None, style, rng), rng)


def size(
    concept: Concept, style: str, rng: np.random.Generator, adjectives: Sequence[str], colour: str = "white"
) -> str:
    """One drawing that is called SMALL or LARGE: "a tiny dog"."""
    name, adjective = word_for(concept, rng), choose(rng, adjectives)
    text = f"a {adjective} {name}" if article(name) else f"{adjective} {name}"
    return finish(text + _on(colour) + _in_style(concept, style, rng), rng)


def count(concept: Concept, style: str, rng: np.random.Generator, number: int, colour: str = "white") -> str:
    """So many of one drawing, 2 to 4: "three dogs". The concept must be countable."""
    words = [word for word in EVERYDAY.get(concept.name, ()) if has_plural(word)]
    text = f"{choose(rng, NUMBERS[number])} {plural(choose(rng, [concept.name, *words]))}"
    return finish(text + _on(colour) + _in_style(concept, style, rng), rng)


def scene(where: Scene, rng: np.random.Generator) -> str:
    """A landscape: "a sunset at the alps", "mountains at night in the fog", "a snowy forest"."""
    return finish(_scene(where, rng), rng)


def in_scene(concept: Concept, style: str, where: Scene, rng: np.random.Generator) -> str:
    """Somebody somewhere: "a dog at the beach at sunset", "a sunset at the alps with a dog"."""
    thing = _thing(concept, rng)
    text = f"{thing} {whereabouts(where, rng)}" if rng.random() < 0.6 else f"{_scene(where, rng)} with {thing}"
    return finish(text + _in_style(None, style, rng), rng)


def word_for(concept: Concept, rng: np.random.Generator, synonyms: float = SYNONYMS) -> str:
    """The concept's name, or now and then another word for it."""
    name, chance = concept.name, rng.random()
    if chance < synonyms:
        return choose(rng, other_words(concept) or [name])
    return choose(rng, EVERYDAY[name]) if chance < 0.5 and name in EVERYDAY else name


def whereabouts(where: Scene, rng: np.random.Generator) -> str:
    """Where something is: "at the beach at sunset"."""
    at, time = choose(rng, PLACE_WORDS[where.place].at), choose(rng, AT_TIME[where.time])
    return _join(at, time, choose(rng, IN_WEATHER[where.weather]))


def finish(text: str, rng: np.random.Generator) -> str:
    """Small freedoms of typing: a capital at the start, a period at the end."""
    if rng.random() < 0.25:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.15 else text


def choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


SMALL, LARGE = ("small", "tiny", "little"), ("big", "large")
NUMBERS = {2: ("two", "two", "2"), 3: ("three", "three", "3"), 4: ("four", "four", "4")}


@dataclass(frozen=True, slots=True)
class PlaceWords:
    """How a place is said: on its own, after an adjective (with its article), and as where something is."""

    alone: tuple[str, ...]
    noun: tuple[str, ...]
    at: tuple[str, ...]


PLACE_WORDS: dict[str, PlaceWords] = {
    "mountains": PlaceWords(
        ("mountains", "the mountains", "the alps"),
        ("mountains", "alps"),
        ("at the alps", "in the alps", "in the mountains"),
    ),
    "hills": PlaceWords(("hills", "rolling hills"), ("hills",), ("in the hills", "on the hills")),
    "beach": PlaceWords(("a beach", "the beach"), ("a {} beach",), ("at the beach", "on the beach")),
    "sea": PlaceWords(("the sea", "the ocean"), ("a {} sea",), ("at sea", "over the sea", "over the ocean")),
    "desert": PlaceWords(("a desert", "desert dunes"), ("a {} desert",), ("in the desert",)),
    "forest": PlaceWords(("a forest", "the woods"), ("a {} forest",), ("in the forest", "in the woods")),
    "city": PlaceWords(("a city", "a city skyline"), ("a {} city",), ("in the city", "over the city")),
    "meadow": PlaceWords(("a meadow", "a flower meadow"), ("a {} meadow",), ("in a meadow", "on the meadow")),
    "lake": PlaceWords(("a lake", "a mountain lake"), ("a {} lake",), ("at the lake", "by the lake")),
}
TIME_NOUNS: dict[str, tuple[str, ...]] = {
    "sunrise": ("a sunrise", "sunrise"),
    "day": (),
    "sunset": ("a sunset", "sunset"),
    "dusk": ("alpenglow", "dusk"),
    "night": ("night", "a night"),
}
AT_TIME: dict[str, tuple[str, ...]] = {
    "sunrise": ("at sunrise", "at dawn", "in the morning"),
    "day": ("", "", "by day"),
    "sunset": ("at sunset", "in the evening"),
    "dusk": ("at dusk", "in the alpenglow", "at twilight"),
    "night": ("at night", "at night", "by night"),
}
IN_WEATHER: dict[str, tuple[str, ...]] = {
    "clear": ("",),
    "cloudy": ("with clouds", "under clouds"),
    "rain": ("in the rain",),
    "snow": ("in the snow", "in snow"),
    "fog": ("in the fog", "in fog"),
}
ADJECTIVES = {"cloudy": "cloudy", "rain": "rainy", "snow": "snowy", "fog": "foggy"}

SCENIC = frozenset(
    {
        "bridge at night",
        "cityscape",
        "cityscape at dusk",
        "desert",
        "foggy",
        "milky way",
        "mountain",
        "national park",
        "night with stars",
        "snow-capped mountain",
        "sunrise",
        "sunrise over mountains",
        "sunset",
    }
)
"""Drawings that are small landscapes: their captions always name a style, since without one a scene is meant."""


def _thing(concept: Concept, rng: np.random.Generator, synonyms: float = SYNONYMS) -> str:
    """The concept by a word for it, mostly with an article."""
    name = word_for(concept, rng, synonyms)
    found = article(name) if concept.group != "symbols" else ""
    return f"{found} {name}" if found and rng.random() < 0.75 else name


def _on(colour: str) -> str:
    return "" if colour == "white" else f" on {article(colour)} {colour} background"


def _in_style(concept: Concept | None, style: str, rng: np.random.Generator) -> str:
    needed = style != DEFAULT_STYLE or (concept is not None and concept.name in SCENIC)
    if not needed and rng.random() > 0.25:
        return ""
    return choose(rng, (", {} style", " in {} style", " in the style of {}")).format(style)


def _scene(where: Scene, rng: np.random.Generator) -> str:
    words = PLACE_WORDS[where.place]
    time, weather = choose(rng, AT_TIME[where.time]), choose(rng, IN_WEATHER[where.weather])
    nouns = TIME_NOUNS[where.time]
    if where.place == DEFAULT_PLACE and nouns and rng.random() < 0.5:
        return _join(choose(rng, nouns), weather)
    if nouns and rng.random() < 0.55:
        return _join(choose(rng, nouns), choose(rng, words.at), weather)
    if where.weather in ADJECTIVES and rng.random() < 0.6:
        noun, adjective = choose(rng, words.noun), ADJECTIVES[where.weather]
        return _join(noun.format(adjective) if "{}" in noun else f"{adjective} {noun}", time)
    return _join(choose(rng, words.alone), time, weather)


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _maybe(rng: np.random.Generator, share: float, options: Sequence[str]) -> str:
    return choose(rng, options) if rng.random() < share else ""
