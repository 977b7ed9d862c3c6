"""Captions said otherwise: other words for things, and words that change nothing about the picture.

Each part of what is said stands beside the part of a plain caption that it comes to: of "a photo of a fluffy beagle"
the plain one is "a dog". Knows no pictures and no tensors.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alpenglow.training.captions import (
    ADJECTIVES,
    AT_TIME,
    COLOURS,
    EVERYDAY,
    IN_WEATHER,
    LARGE,
    NUMBERS,
    PLACE_WORDS,
    SMALL,
    article,
    choose,
    countable,
    plural,
)
from alpenglow.training.drawings import STYLES, Library
from alpenglow.training.examples import Plan


class Phrase(NamedTuple):
    """A part of a caption as it is said and what it means in a plain one; either may be empty."""

    said: str
    meant: str


class Rewriter:
    """Says captions otherwise. All chance comes from the generators passed in."""

    def __init__(
        self, library: Library, words: Mapping[str, str], adjectives: Sequence[str], nouns: Sequence[str]
    ) -> None:
        """`words` says which concept of the library each other word means; `adjectives` and `nouns` are words that may
        stand around a thing without its looking otherwise. Those that do make a difference are left out here.
        """
        self._words = tuple(words.items())
        self._names = frozenset({*library.concepts, *words})
        self._adjectives = [word for word in adjectives if word not in TELLING]
        self._nouns = [word for word in nouns if word not in TELLING | self._names]
        self._shown = {word: name for name in library.concepts for word in (name, *EVERYDAY.get(name, ()))}
        self._plurals = {name: plural(name) for name, one in library.concepts.items() if countable(one)}
        self._shown |= {many: name for name, many in self._plurals.items()}
        known = sorted(self._shown, key=len, reverse=True)
        self._thing = re.compile(rf"(?:^|(?<= ))(?:(an?) )?({'|'.join(map(re.escape, known))})(?=[ ,.]|$)")

    def __call__(self, plan: Plan, rng: np.random.Generator) -> list[Phrase]:
        """A plan's caption said otherwise, or, at PLAIN, as it is."""
        if rng.random() < PLAIN:
            return [Phrase(plan.caption, plan.caption)]
        text = plan.caption.removesuffix(".")
        found = list(self._body(plan, text[0].lower() + text[1:], rng))
        if rng.random() < OPENED:
            found.insert(0, Phrase(choose(rng, REQUESTS if plan.references else OPENINGS), ""))
        if rng.random() < ENDED:
            found.append(Phrase(self._ending(rng), ""))
        if plan.caption.endswith("."):
            found.append(Phrase(".", "."))
        return spelled(found, capital=plan.caption[0].isupper())

    def _body(self, plan: Plan, text: str, rng: np.random.Generator) -> Iterator[Phrase]:
        """The `text` of a plan's caption in lower case, without what stands before and after all of it. It may speak of
        other things than it shows, such as clouds: those stay.
        """
        names = {name for name, _ in plan.picture.drawings}
        for piece, thing in cut(text, self._thing):
            if thing is not None and self._shown[thing[2]] in names:
                yield from self._said(thing, rng, many=plan.kind == "count")
                continue
            for words, ground in cut(piece, BACKGROUND):
                said = choose(rng, BACKGROUNDS).format(a=ground[1], colour=ground[2]) if ground else words
                yield Phrase(said, words)

    def _said(self, thing: re.Match[str], rng: np.random.Generator, *, many: bool) -> Iterator[Phrase]:
        """Another word for some thing, not the one that stood there: which thing it is makes no difference here."""
        with_article, there = thing[1] is not None, thing[2]
        word, name = self._word(rng, many=many) if rng.random() < OTHERWISE else (there, there)
        adjective = self._adjective(rng) if rng.random() < DESCRIBED else ""
        if f"{adjective} {word}" in self._names:  # a black cat is not a cat that is black
            adjective = ""
        if with_article:
            before = article(word) and article(f"{adjective} {word}".strip())
            yield Phrase(before, article(name))
        yield Phrase(adjective, "")
        yield Phrase(word, name)
        if rng.random() < DOING:
            yield Phrase(self._doing(rng), "")

    def _adjective(self, rng: np.random.Generator) -> str:
        """What stands before a noun, now and then another noun."""
        return choose(rng, self._adjectives if rng.random() < 0.7 else self._nouns)

    def _something(self, rng: np.random.Generator) -> str:
        """Any noun but those of words and things, so that it is learned to make nothing of what is not known."""
        noun = choose(rng, self._nouns)
        phrase = f"{self._adjective(rng)} {noun}" if rng.random() < DESCRIBED else noun
        return f"{article(phrase)} {phrase}".strip() if rng.random() < 0.7 else phrase

    def _doing(self, rng: np.random.Generator) -> str:
        if rng.random() < 0.3:
            return choose(rng, DOINGS)
        return f"{choose(rng, BEFORE_SOMETHING)} {self._something(rng)}"

    def _ending(self, rng: np.random.Generator) -> str:
        return choose(rng, ENDINGS) if rng.random() < 0.6 else f", {self._something(rng)}"

    def _word(self, rng: np.random.Generator, *, many: bool) -> tuple[str, str]:
        """One of the words and the name of what it means, both in the plural if it is to be `many`."""
        while True:
            word, name = self._words[int(rng.integers(len(self._words)))]
            if not many:
                return word, name
            if name in self._plurals and article(word):
                return plural(word), self._plurals[name]


def cut(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str] | None]]:
    """The pieces of a text between and at the matches of a pattern, in order, without blanks around them."""
    at = 0
    for match in pattern.finditer(text):
        yield text[at : match.start()].strip(), None
        yield match[0].strip(), match
        at = match.end()
    yield text[at:].strip(), None


def spelled(phrases: Sequence[Phrase], *, capital: bool) -> list[Phrase]:
    """The same with the blanks between them, each before a word as tokens have it: they need only be joined."""
    found, starts = [], [True, True]
    for phrase in phrases:
        sides = []
        for side, text in enumerate(phrase):
            if text and starts[side]:
                starts[side] = False
                sides.append(text[0].upper() + text[1:] if capital else text)
            else:
                sides.append(text if text.startswith((",", ".")) or not text else f" {text}")
        if any(sides):
            found.append(Phrase(*sides))
    return found


PLAIN = 0.25
"""How often a caption stays as it is, so that nothing known is lost."""
OTHERWISE, DESCRIBED, DOING = 0.7, 0.35, 0.4
"""How often a thing is called by another word, has an adjective, does something."""
OPENED, ENDED = 0.35, 0.3

TELLING = frozenset(
    {
        *SMALL,
        *LARGE,
        *STYLES,
        *(word for words in NUMBERS.values() for word in words),
        *(word for place in PLACE_WORDS.values() for words in (*place.noun, *place.at) for word in words.split()),
        *(
            word
            for table in (AT_TIME, IN_WEATHER)
            for texts in table.values()
            for text in texts
            for word in text.split()
        ),
        *ADJECTIVES.values(),
        *(word for colour in COLOURS for word in colour.split()),
        *("background", "dawn", "image", "picture", "style"),
    }
)
"""Words around a thing that do change its picture."""

BACKGROUND = re.compile(rf"on (an?) ({'|'.join(COLOURS)}) background")
BACKGROUNDS = (
    "on {a} {colour} background",
    "with {a} {colour} background",
    "against {a} {colour} background",
    "in front of {a} {colour} background",
    "on {colour}",
    ", {colour} background",
)
OPENINGS = (
    *("a photo of", "a photograph of", "a picture of", "an image of", "an illustration of", "a painting of"),
    *("an oil painting of", "a watercolor of", "a watercolour painting of", "a pencil drawing of", "a sketch of"),
    *("a cartoon of", "a 3d render of", "a close-up of", "a portrait of", "a cinematic shot of", "a sticker of"),
    *("a logo of", "a vector illustration of", "photo of", "picture of", "image of", "macro shot of", "pixel art of"),
    *("an emoji of", "an icon for", "draw", "draw me", "please draw", "please draw me", "generate", "create"),
    *("create an image of", "make a picture of", "show me", "i want", "i would like", "give me", "imagine", "design"),
    *("can you draw", "could you draw", "can you make", "this is", "there is", "here is", "a beautiful picture of"),
)
"""What people say before the thing that they ask for."""
REQUESTS = (
    *("please", "now", "can you", "could you", "can you please", "i want you to", "i would like you to"),
    *("your task is to", "edit this and", "just", "next,", "then"),
)
"""What people say before an edit that they ask for."""
ENDINGS = (
    *(", highly detailed", ", very detailed", ", intricate details", ", 4k", ", 8k", ", hd", ", photorealistic"),
    *(", realistic", ", digital art", ", concept art", ", studio lighting", ", cinematic lighting", ", soft light"),
    *(", natural light", ", sharp focus", ", depth of field", ", bokeh", ", masterpiece", ", best quality"),
    *(", high quality", ", high resolution", ", trending on artstation", ", award winning", ", minimalist", ", simple"),
    *(", clean lines", ", vibrant colors", ", pastel colors", ", bright colors", ", cute", ", beautiful", ", funny"),
    *(", for my website", ", for kids", ", for a children's book", ", please", "please", "for me", ", thanks"),
    *(", centered", ", side view", ", front view", ", from above", ", full body", ", 35mm", ", shot on film"),
)
"""What people add at the end."""
BEFORE_SOMETHING = (
    *("with", "in", "on", "at", "near", "under", "behind", "over", "from", "made of", "full of", "inside", "against"),
    *("holding", "wearing", "eating", "watching", "leaning on", "sitting on", "lying on", "looking at", "playing with"),
    *("standing on", "covered in", "surrounded by", "jumping over", "that likes", "for"),
)
DOINGS = (
    *("sitting", "standing", "sleeping", "running", "walking", "jumping", "flying", "smiling", "eating", "playing"),
    *("dancing", "waiting", "resting", "looking at the camera", "looking up", "sitting on a chair", "lying on a sofa"),
    *("lying on the floor", "on a table", "on the wall", "in a room", "in the kitchen", "in the garden", "at home"),
    *("in the air", "in space", "wearing a hat", "wearing glasses", "wearing a scarf", "with big eyes", "made of wood"),
    *("made of glass", "that smiles", "that is happy", "which looks old", "is sitting there", "from the side"),
)
"""What a thing may do, wear or be in without looking otherwise: the demo cannot draw it, and should draw the thing."""
