"""Words from WordNet: nouns that a picture can show, with what each means, and adjectives. Knows no drawings."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from alpenglow.training.drawings import SOURCES

PICTURABLE = {5: "animal", 6: "artifact", 13: "food", 17: "object", 20: "plant"}
"""Of WordNet's 26 kinds of noun, by the numbers of its lexicographer files, those of things. People are left out: the
demo draws none, and whoever asks for one should not get an animal.
"""

LEFT_OUT = re.compile(r"\b(bitch|hominid|human|humans|negro|shit)\b")
"""What is about people all the same, or should not be said."""

NOUN, ADJECTIVES = "1", ("3", "5")
"""Parts of speech, as WordNet numbers them."""


class Noun(NamedTuple):
    """What a noun means: in words, and which nouns mean that too or something broader, the nearest first.

    Of those only such as have that meaning first: a beagle is a hound, a dog and an animal. The first of `broader` are
    its `synonyms`, itself among them.
    """

    definition: str
    synonyms: tuple[str, ...]
    broader: tuple[str, ...]


class _Synset(NamedTuple):
    """One meaning, the words that have it, and where the broader ones are."""

    kind: int
    lemmas: tuple[str, ...]
    broader: tuple[str, ...]
    definition: str


def picturable_nouns(folder: Path) -> dict[str, Noun]:
    """Every noun in lower case whose first meaning is of a kind of PICTURABLE.

    Of one word or two. Reads the package under `folder`/node_modules. Raises FileNotFoundError where it is missing.
    """
    first = {(lemma, offset) for lemma, part, offset in _first_senses(folder) if part == NOUN}
    synsets = dict(_noun_synsets(folder))
    said = {  # what each meaning is called by those words that mean it first
        offset: tuple(lemma.replace("_", " ") for lemma in synset.lemmas if (lemma.lower(), offset) in first)
        for offset, synset in synsets.items()
    }
    return {
        noun: Noun(
            synset.definition, said[offset], tuple(word for near in _upwards(offset, synsets) for word in said[near])
        )
        for offset, synset in synsets.items()
        for noun in said[offset]
        if synset.kind in PICTURABLE and re.fullmatch(r"[a-z]{3,}( [a-z]{2,})?", noun) and not LEFT_OUT.search(noun)
    }


def _upwards(offset: str, synsets: Mapping[str, _Synset]) -> list[str]:
    """A meaning and all broader ones, step by step."""
    found = [offset]
    for place in found:  # grows while it is read
        found += [above for above in synsets[place].broader if above not in found]
    return found


def adjectives(folder: Path) -> list[str]:
    """Single adjectives that are common: WordNet's own texts have them."""
    found = (lemma for lemma, part, _ in _first_senses(folder, counted=True) if part in ADJECTIVES)
    return sorted({lemma for lemma in found if re.fullmatch("[a-z]{3,}", lemma)})


def nouns(folder: Path) -> list[str]:
    """Single nouns, whatever they mean: people and what cannot be seen among them."""
    found = (lemma for lemma, part, _ in _first_senses(folder) if part == NOUN)
    return sorted({lemma for lemma in found if re.fullmatch("[a-z]{3,}", lemma)})


def _first_senses(folder: Path, *, counted: bool = False) -> Iterator[tuple[str, str, str]]:
    """(lemma, part of speech, offset of its synset) of every word's first meaning: `dog%1:05:00:: 02086723 1 42`.

    `counted` leaves out those whose last number is 0: they do not occur in texts that WordNet's makers read.
    """
    for line in _lines(folder, "index.sense"):
        key, offset, number, count = line.split()
        lemma, _, rest = key.partition("%")
        if number == "1" and (int(count) > 0 or not counted):
            yield lemma, rest[0], offset


def _noun_synsets(folder: Path) -> Iterator[tuple[str, _Synset]]:
    """By its offset: `02086723 05 n 02 dog 0 domestic_dog 0 023 @ 02085998 n 0000 ... | a member of the genus Canis`.

    The number of lemmas is hexadecimal, that of pointers after them is not; `@` points to what is broader. Lines that
    begin with blanks are the licence.
    """
    for line in _lines(folder, "data.noun"):
        if line.startswith(" "):
            continue
        facts, _, gloss = line.partition(" | ")
        offset, kind, _, number, *rest = facts.split()
        end = 2 * int(number, 16)
        pointers = rest[end + 1 :]
        broader = (where for symbol, where in zip(pointers[::4], pointers[1::4], strict=True) if symbol == "@")
        definition = re.split(r'; |\s*"', gloss, maxsplit=1)[0].strip()
        yield offset, _Synset(int(kind), tuple(rest[:end:2]), tuple(broader), definition)


def _lines(folder: Path, name: str) -> list[str]:
    path = folder / "node_modules" / SOURCES["lexicon"].package / "dict" / name
    return path.read_text("utf-8").splitlines()
