"""Captions said otherwise: other words for things, and words that change nothing about the picture.

"A photo of a fluffy beagle" comes to "a dog". Knows no pictures and no tensors.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
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
    choose,
)
from alpenglow.training.drawings import STYLES, Library
from alpenglow.training.examples import Plan
from alpenglow.training.names import EVERYDAY, article, countable, everyday_words, has_plural, other_words, plural


class Fillers(NamedTuple):
    """Words that may stand around a thing without its looking otherwise: before it, after it, and other things. Each
    kind in tiers of words that are as common, any of which is as likely.
    """

    describing: Sequence[Sequence[str]]
    doing: Sequence[Sequence[str]]
    things: Sequence[Sequence[str]]


def fillers(adjectives: Sequence[str], nouns: Iterable[str], common: Mapping[str, int]) -> Fillers:
    """Of WordNet's adjectives and nouns and all common words, which say by their endings what they do, those that
    make no difference.
    """
    everyday = [word for word, level in common.items() if level <= EVERYBODYS]
    describing = (*adjectives, *(word for word in everyday if word.endswith("ly")))
    doing = [word for word in everyday if word.endswith(("ing", "ed"))]

    def tiers(words: Iterable[str]) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in TIERS]
        for word in words:
            if word in common and common[word] <= TIERS[-1] and word not in TELLING:
                found[bisect_left(TIERS, common[word])].append(word)
        return [tier for tier in found if tier]

    return Fillers(tiers(describing), tiers(doing), tiers(nouns))


class Rewriter:
    """Says captions otherwise. All chance comes from the generators passed in."""

    def __init__(
        self, library: Library, words: Mapping[str, str], around: Fillers, meant: Collection[str] = frozenset()
    ) -> None:
        """`words` maps each other word to the concept that it means. Fillers in `around` that mean a concept, by
        `words` or by what is `meant` beside them, are left out.
        """
        called = everyday_words(library.concepts)
        plurals = {plural(name) for name, one in library.concepts.items() if countable(one)}
        keywords = {word for concept in library.concepts.values() for word in other_words(concept)}
        self._names = frozenset({*called, *plurals, *words, *keywords})
        self._around = Fillers(
            *([[w for w in tier if w not in self._names and w not in meant] for tier in tiers] for tiers in around)
        )
        self._nouns = sorted(word for word in self._names if " " not in word)
        self._words: dict[str, list[str]] = defaultdict(list)
        for word, name in words.items():
            self._words[name].append(word)

    def __call__(self, plan: Plan, rng: np.random.Generator) -> str:
        """A plan's caption said otherwise, or, at PLAIN, as it is."""
        if rng.random() < PLAIN:
            return plan.caption
        text = plan.caption.removesuffix(".")
        text = text[0].lower() + text[1:]
        names = tuple(dict.fromkeys(name for name, _ in plan.picture.drawings))
        if plan.kind in LINKS and rng.random() < LINKED:
            text = linked_by(text, LINKS[plan.kind], names, rng)
        if names:
            text = things_in(names).sub(lambda thing: self._said(thing, names, plan.kind, rng), text)
        text = BACKGROUND.sub(lambda ground: choose(rng, BACKGROUNDS).format(a=ground[1], colour=ground[2]), text)
        if rng.random() < OPENED:
            text = f"{choose(rng, REQUESTS) if plan.references else self._opening(rng)} {text}"
        while rng.random() < ENDED:
            ending = self._ending(rng)
            text += ending if ending.startswith(",") else f" {ending}"
        text = text.replace(" ,", ",") + "." * plan.caption.endswith(".")
        return text[0].upper() + text[1:] if plan.caption[0].isupper() else text

    def _filler(self, rng: np.random.Generator, tiers: Sequence[Sequence[str]]) -> str:
        """Of any tier, each as likely: so common words, which are few, come often."""
        return choose(rng, tiers[int(rng.integers(len(tiers)))])

    def _said(self, thing: re.Match[str], names: Sequence[str], kind: str, rng: np.random.Generator) -> str:
        """What was called by a name, called by another word for it, with words around that make no difference."""
        before, there = thing[1], thing[2]
        several = kind == "count"
        word, noted = self._word(there, names, rng, several=several), kind in NOTED
        adjective = ""
        if rng.random() < DESCRIBED:
            adjective = choose(rng, tuple(COLOURS)) if noted and rng.random() < COLOURED else self._adjective(rng)
        elif noted and rng.random() < COMPOUND:
            adjective = choose(rng, self._nouns)
            adjective += choose(rng, ("", "'s")) if article(adjective) else ""
        if f"{adjective} {word}" in self._names:  # a black cat is not a cat that is black
            adjective = ""
        if before and noted and rng.random() < MEASURED:
            before = choose(rng, MEASURES)
        elif before:
            before = article(word) and article(f"{adjective} {word}".strip())
        if before in {"a", "an"} and rng.random() < KNOWN:
            before = choose(rng, KNOWN_BY)
        after = self._doing(rng) if noted and rng.random() < DOING else ""
        return " ".join(part for part in (before, adjective, word, after) if part)

    def _word(self, there: str, names: Sequence[str], rng: np.random.Generator, *, several: bool) -> str:
        """Another word for the one of `names` that was called `there`, or that."""
        if rng.random() >= OTHERWISE:
            return there
        name = next(name for name in names if there in ways_to_call(name))
        words = self._words[name]
        if several:
            words = [plural(word) for word in words if has_plural(word)]
        return choose(rng, words) if words else there

    def _adjective(self, rng: np.random.Generator) -> str:
        """What stands before a noun, now and then what it does or another noun."""
        return self._filler(rng, self._around[int(rng.choice(3, p=(0.6, 0.2, 0.2)))])

    def _something(self, rng: np.random.Generator) -> str:
        """Any noun but those of words and things, so that it is learned to make nothing of what is not known."""
        noun = self._noun(rng)
        phrase = f"{self._adjective(rng)} {noun}" if rng.random() < DESCRIBED else noun
        return f"{choose(rng, (article(phrase), 'the', 'its', ''))} {phrase}".strip()

    def _doing(self, rng: np.random.Generator) -> str:
        """What stands after a noun."""
        somewhere = f"{choose(rng, BEFORE_SOMETHING)} {self._something(rng)}"
        doing = self._filler(rng, self._around.doing)
        return choose(rng, (choose(rng, DOINGS), somewhere, somewhere, f"{doing} {somewhere}", doing, self._noun(rng)))

    def _noun(self, rng: np.random.Generator) -> str:
        return self._filler(rng, self._around.things)

    def _opening(self, rng: np.random.Generator) -> str:
        """Mostly as they are listed, now and then with an adjective: "a beautiful picture of"."""
        opening = choose(rng, OPENINGS)
        if rng.random() < 0.8 or not opening.startswith("a "):
            return opening
        phrase = f"{self._filler(rng, self._around.describing)} {opening.removeprefix('a ')}"
        return f"{article(phrase)} {phrase}".strip()

    def _ending(self, rng: np.random.Generator) -> str:
        if rng.random() < 0.6:
            return choose(rng, ENDINGS)
        return f", {choose(rng, (self._something(rng), self._adjective(rng)))}"


def linked_by(
    text: str, link: tuple[re.Pattern[str], Sequence[str]], names: Sequence[str], rng: np.random.Generator
) -> str:
    """A caption with another word between its two things, and none within what they are called."""
    plain, others = link
    things = [thing.span() for thing in things_in(names).finditer(text)]
    for found in plain.finditer(text):
        if not any(first <= found.start() < last for first, last in things):
            return f"{text[: found.start()]} {choose(rng, others)} {text[found.end() :]}"
    return text


@lru_cache(maxsize=4096)
def things_in(names: Sequence[str]) -> re.Pattern[str]:
    """Finds what captions call some concepts by, with the article before."""
    known = sorted((word for name in names for word in ways_to_call(name)), key=len, reverse=True)
    return re.compile(rf"(?:^|(?<= ))(?:(an?) )?({'|'.join(map(re.escape, known))})(?=[ ,.]|$)")


@lru_cache(maxsize=4096)
def ways_to_call(name: str) -> frozenset[str]:
    """What captions call one or several of a concept."""
    words = (name, *EVERYDAY.get(name, ()))
    return frozenset({*words, *map(plural, words)})


PLAIN = 0.35
"""How often a caption stays as it is: most prompts are."""
OTHERWISE, DESCRIBED, DOING = 0.55, 0.35, 0.4
"""How often a thing is called by another word, has an adjective, does something."""
COLOURED = 0.15
"""How often an adjective is a colour: of a thing it means nothing here, as of a background it does."""
KNOWN, KNOWN_BY = 0.1, ("the", "the", "my", "this", "one", "some", "our")
"""How often a thing has no article but one of these."""
COMPOUND = 0.08
"""How often another thing stands before a thing, or whose it is: a tiger shark is a shark, a king's crown a crown."""
MEASURED, MEASURES = 0.05, ("a piece of", "a slice of", "a cup of", "a mug of", "a bowl of", "a plate of", "a pair of")
"""How often it is said how much there is of a thing."""
LINKED = 0.5
"""How often two things are put together in other words."""
OPENED, ENDED = 0.35, 0.3
TIERS = (10, 20, 35, 50)
"""SCOWL's sizes up to which fillers are as common as each other. A word beyond the last is none."""
EVERYBODYS = 35
"""Up to which a word is a filler by its ending alone."""

NOTED = ("subject", "size", "subject at scene", "pair", "on", "count")
"""Kinds of example whose things may do something, or have a colour that means nothing."""

TOGETHER = (
    *("near", "by", "close to", "in front of", "behind", "and also", "together with", "along with", "alongside"),
    *("holding", "carrying", "wearing", "watching", "looking at", "playing with", "eating", "chasing", "using"),
    *("left of", "to the left of", "plus", "&", "as well as", "standing next to", "sitting beside", "leaning on"),
)
UPON = (
    *("sitting on", "standing on", "lying on", "resting on", "balancing on", "sleeping on", "perched on", "riding"),
    *("on the top of", "sitting on top of", "standing on top of", "placed on", "jumping on", "up on", "over"),
)
LINKS = {
    "pair": (re.compile(r" (?:beside|next to|and|with) "), TOGETHER),
    "on": (re.compile(r" (?:on top of|on|above) "), UPON),
}
"""What stands between two things, by kind of example, and what else comes to that: the demo draws whatever is named."""

TELLING = frozenset(
    {
        *SMALL,
        *LARGE,
        *STYLES,
        *(word for words in NUMBERS.values() for word in words),
        *(
            word
            for place in PLACE_WORDS.values()
            for words in (*place.alone, *place.noun, *place.at)
            for word in words.split()
        ),
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
    *("dancing", "waiting", "resting", "looking at the camera", "looking up", "sitting on a bench", "lying on a rug"),
    *("lying on the floor", "on a table", "on the wall", "in a room", "in the kitchen", "in the garden", "at home"),
    *("in the air", "in space", "in the background", "with long hair", "with big eyes", "made of stone"),
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
