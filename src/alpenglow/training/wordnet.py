"""Words from WordNet: nouns that a picture can show, with what each means, and adjectives. Knows no drawings."""

import re
from collections.abc import Iterator
from pathlib import Path

from alpenglow.training.drawings import SOURCES

PICTURABLE = {5: "animal", 6: "artifact", 13: "food", 17: "object", 20: "plant"}
"""Of WordNet's 26 kinds of noun, by the numbers of its lexicographer files, those of things. People are left out: the
demo draws none, and whoever asks for one should not get an animal.
"""

LEFT_OUT = re.compile(r"(^|_)(bitch|hominid|human|humans|negro|shit)(_|$)")
"""What is about people all the same, or should not be said."""

NOUN, ADJECTIVES = "1", ("3", "5")
"""Parts of speech, as WordNet numbers them."""


def picturable_nouns(folder: Path) -> dict[str, str]:
    """Every noun in lower case whose first meaning is of a kind of PICTURABLE, and the definition of that meaning.

    Of one word or two. Reads the package under `folder`/node_modules. Raises FileNotFoundError where it is missing.
    """
    first = {(lemma, offset) for lemma, part, offset in _first_senses(folder) if part == NOUN}
    return {
        lemma.replace("_", " "): definition
        for offset, kind, lemmas, definition in _noun_synsets(folder)
        for lemma in lemmas
        if kind in PICTURABLE
        and (lemma, offset) in first
        and re.fullmatch(r"[a-z]{3,}(_[a-z]{2,})?", lemma)
        and not LEFT_OUT.search(lemma)
    }


def adjectives(folder: Path) -> list[str]:
    """Single adjectives that are common: WordNet's own texts have them."""
    found = (lemma for lemma, part, _ in _first_senses(folder, counted=True) if part in ADJECTIVES)
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


def _noun_synsets(folder: Path) -> Iterator[tuple[str, int, list[str], str]]:
    """(offset, kind, lemmas, definition) of every synset: `02086723 05 n 03 dog 0 ... | a member of ...; "examples"`.

    The number of lemmas is hexadecimal. Lines that begin with blanks are the licence.
    """
    for line in _lines(folder, "data.noun"):
        if line.startswith(" "):
            continue
        facts, _, gloss = line.partition(" | ")
        offset, kind, _, number, *rest = facts.split()
        lemmas = rest[: 2 * int(number, 16) : 2]
        yield offset, int(kind), lemmas, re.split(r'; |\s*"', gloss, maxsplit=1)[0].strip()


def _lines(folder: Path, name: str) -> list[str]:
    path = folder / "node_modules" / SOURCES["lexicon"].package / "dict" / name
    return path.read_text("utf-8").splitlines()
