"""Captions said otherwise: other words for things, and words that change nothing about the picture.

Each part of what is said stands beside the part of a plain caption that it comes to: of "a photo of a fluffy beagle"
the plain one is "a dog". Knows no pictures and no tensors.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alpenglow.training.captions import (
    ADJECTIVES,
    AT_TIME,
    COLOURS,
    IN_WEATHER,
    LARGE,
    NUMBERS,
    PLACE_WORDS,
    SMALL,
    article,
    choose,
    countable,
    everyday_words,
    plural,
)
from alpenglow.training.drawings import STYLES, Library
from alpenglow.training.examples import Plan


class Phrase(NamedTuple):
    """A part of a caption as it is said and what it means in a plain one; either may be empty.

    If it is `silent` its own tokens say nothing: all the others say it too.
    """

    said: str
    meant: str
    silent: bool = False


class Fillers(NamedTuple):
    """Words that may stand around a thing without its looking otherwise: before it, after it, and other things."""

    describing: Sequence[str]
    doing: Sequence[str]
    things: Sequence[str]


def fillers(adjectives: Sequence[str], nouns: Iterable[str], common: Mapping[str, int]) -> Fillers:
    """Of WordNet's adjectives and nouns and all common words, which say by their endings what they do, those that
    make no difference.
    """
    everyday = [word for word, level in common.items() if level <= EVERYBODYS]
    describing = [*adjectives, *(word for word in everyday if word.endswith("ly"))]
    doing = [word for word in everyday if word.endswith(("ing", "ed"))]
    things = [noun for noun in nouns if noun in common]
    return Fillers(*([word for word in words if word not in TELLING] for words in (describing, doing, things)))


class Rewriter:
    """Says captions otherwise. All chance comes from the generators passed in."""

    def __init__(self, library: Library, words: Mapping[str, str], around: Fillers) -> None:
        """`words` says which concept of the library each other word means. What is to stand `around` a thing must mean
        none: else it is left out.
        """
        self._words = tuple(words.items())
        self._shown = everyday_words(library.concepts)
        self._plurals = {name: plural(name) for name, one in library.concepts.items() if countable(one)}
        self._shown |= {many: name for name, many in self._plurals.items()}
        self._names = frozenset({*self._shown, *words})
        self._around = Fillers(*([word for word in words if word not in self._names] for words in around))
        known = sorted(self._shown, key=len, reverse=True)
        self._thing = re.compile(rf"(?:^|(?<= ))(?:(an?) )?({'|'.join(map(re.escape, known))})(?=[ ,.]|$)")

    def __call__(self, plan: Plan, rng: np.random.Generator) -> list[Phrase]:
        """A plan's caption said otherwise, or, at PLAIN, as it is."""
        plain = rng.random() < PLAIN
        text = plan.caption.removesuffix(".")
        found = list(self._body(plan, text[0].lower() + text[1:], rng, plain=plain))
        if not plain and rng.random() < OPENED:
            found.insert(0, Phrase(choose(rng, REQUESTS) if plan.references else self._opening(rng), ""))
        while not plain and rng.random() < ENDED:
            found.append(Phrase(self._ending(rng), ""))
        if plan.caption.endswith("."):
            found.append(Phrase(".", "."))
        return spelled(found, capital=plan.caption[0].isupper())

    def _body(self, plan: Plan, text: str, rng: np.random.Generator, *, plain: bool) -> Iterator[Phrase]:
        """The `text` of a plan's caption in lower case, without what stands before and after all of it. It may speak of
        other things than it shows, such as clouds: those stay.
        """
        names = {name for name, _ in plan.picture.drawings}
        for piece, thing in cut(text, self._thing):
            if thing is None:
                yield from self._between(piece, plan.kind, rng, plain=plain)
            elif plain or self._shown[thing[2]] not in names:
                yield Phrase(thing[0].strip(), thing[0].strip())
            else:
                yield from self._said(thing, rng, many=plan.kind == "count")

    def _between(self, text: str, kind: str, rng: np.random.Generator, *, plain: bool) -> Iterator[Phrase]:
        """What stands between things: backgrounds, said otherwise unless `plain`, and what links two things."""
        for piece, ground in cut(text, BACKGROUND):
            if ground is None:
                yield from links(piece, kind)
                continue
            said = piece if plain else choose(rng, BACKGROUNDS).format(a=ground[1], colour=ground[2])
            yield Phrase(said, piece)

    def _said(self, thing: re.Match[str], rng: np.random.Generator, *, many: bool) -> Iterator[Phrase]:
        """Another word for some thing, not the one that stood there: which thing it is makes no difference here."""
        with_article, there = thing[1] is not None, thing[2]
        other = rng.random() < (MANY_OTHERWISE if many else OTHERWISE)
        word, name = self._word(rng, many=many) if other else (there, there)
        adjective = ""
        if rng.random() < DESCRIBED:
            adjective = choose(rng, tuple(COLOURS)) if rng.random() < COLOURED else self._adjective(rng)
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
        """What stands before a noun, now and then what it does or another noun."""
        return choose(rng, self._around[int(rng.choice(3, p=(0.6, 0.2, 0.2)))])

    def _something(self, rng: np.random.Generator) -> str:
        """Any noun but those of words and things, so that it is learned to make nothing of what is not known."""
        noun = self._noun(rng)
        phrase = f"{self._adjective(rng)} {noun}" if rng.random() < DESCRIBED else noun
        return f"{choose(rng, (article(phrase), 'the', 'its', ''))} {phrase}".strip()

    def _doing(self, rng: np.random.Generator) -> str:
        """What stands after a noun."""
        somewhere = f"{choose(rng, BEFORE_SOMETHING)} {self._something(rng)}"
        doing = choose(rng, self._around.doing)
        return choose(rng, (choose(rng, DOINGS), somewhere, somewhere, f"{doing} {somewhere}", doing, self._noun(rng)))

    def _noun(self, rng: np.random.Generator) -> str:
        return choose(rng, self._around.things)

    def _opening(self, rng: np.random.Generator) -> str:
        """Mostly as they are listed, now and then with an adjective: "a beautiful picture of"."""
        opening = choose(rng, OPENINGS)
        if rng.random() < 0.8 or not opening.startswith("a "):
            return opening
        phrase = f"{choose(rng, self._around.describing)} {opening.removeprefix('a ')}"
        return f"{article(phrase)} {phrase}".strip()

    def _ending(self, rng: np.random.Generator) -> str:
        if rng.random() < 0.6:
            return choose(rng, ENDINGS)
        return f", {choose(rng, (self._something(rng), self._adjective(rng)))}"

    def _word(self, rng: np.random.Generator, *, many: bool) -> tuple[str, str]:
        """One of the words and the name of what it means, both in the plural if it is to be `many`."""
        while True:
            word, name = self._words[int(rng.integers(len(self._words)))]
            if not many:
                return word, name
            if name in self._plurals and article(word):
                return plural(word), self._plurals[name]


def links(text: str, kind: str) -> Iterator[Phrase]:
    """A piece of a plain caption, and what links two things in it by itself."""
    for words, link in cut(text, LINKS.get(kind, NO_LINK)):
        yield Phrase(words, words, silent=link is not None)


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
        for side, text in enumerate((phrase.said, phrase.meant)):
            if text and starts[side]:
                starts[side] = False
                sides.append(text[0].upper() + text[1:] if capital else text)
            else:
                sides.append(text if text.startswith((",", ".")) or not text else f" {text}")
        said, meant = sides
        if said or meant:
            found.append(Phrase(said, meant, phrase.silent))
    return found


PLAIN = 0.25
"""How often a caption stays as it is, so that nothing known is lost."""
OTHERWISE, DESCRIBED, DOING = 0.7, 0.35, 0.4
"""How often a thing is called by another word, has an adjective, does something."""
MANY_OTHERWISE = 0.2
"""How often several are called by another word: it has an entry of its own in the singular only."""
COLOURED = 0.15
"""How often an adjective is a colour: of a thing it means nothing here, as of a background it does."""
OPENED, ENDED = 0.35, 0.3
EVERYBODYS = 35
"""Up to which of SCOWL's sizes a word is taken for a filler by its ending alone."""

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

LINKS = {
    "pair": re.compile(r"\b(beside|next to|and|with)\b"),
    "subject at scene": re.compile(r"\bwith\b"),
}
"""What stands between two things, by the kind of example. It says nothing by itself: what follows may be something that
means nothing, which is not known yet where it stands, and that there are two things, those say anyway.
"""
NO_LINK = re.compile("(?!)")

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
    *(
        "with",
        "with",
        "on",
        "on",
        "and",
        "next to",
        "beside",
        "in",
        "at",
        "near",
        "under",
        "behind",
        "over",
        "from",
        "made of",
        "full of",
        "inside",
        "against",
    ),
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

SAID_AROUND = frozenset(
    word
    for texts in (OPENINGS, REQUESTS, ENDINGS, BEFORE_SOMETHING, DOINGS, BACKGROUNDS)
    for text in texts
    for word in re.findall("[a-z]+", text)
)
"""Each word of those: none of them is another word for a thing."""
