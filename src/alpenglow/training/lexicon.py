"""All that the demo is taught of words: which means what, which mean nothing, which have an entry in the vocabulary."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alpenglow.training.common_words import common_words
from alpenglow.training.drawings import Library
from alpenglow.training.meanings import meanings
from alpenglow.training.names import MISLEADING, everyday_words, has_plural, plural
from alpenglow.training.vocabulary import pieces_of, words_for_entries
from alpenglow.training.wordings import SAID_AROUND, TELLING, Fillers, Rewriter, fillers
from alpenglow.training.wordnet import adjectives, nouns, picturable_nouns


@dataclass(frozen=True)
class Lexicon:
    """Words by the name of the thing of `library` that each means, fillers around them, and how common words are."""

    library: Library
    words: Mapping[str, str]
    around: Fillers
    common: Mapping[str, int]

    @classmethod
    def read(cls, packages: Path, library: Library) -> Self:
        """From the packages under `packages`/node_modules. Takes a minute: a sentence encoder reads definitions.

        Raises FileNotFoundError where a package is missing.
        """
        common, describing = common_words(packages), adjectives(packages)
        called = everyday_words(library.concepts)
        things = {
            noun: meaning
            for noun, meaning in picturable_nouns(packages).items()
            if noun in common or (common.keys() >= set(noun.split()) and called.keys() & set(meaning.synonyms))
        }
        taken = TELLING | SAID_AROUND | MISLEADING | {plural(name) for name in library.concepts}
        found = meanings(library, things, describing)
        words = {word: name for word, name in found.items() if word not in taken}
        return cls(library, words, fillers(describing, nouns(packages), common), common)

    @classmethod
    def kept(cls, packages: Path, library: Library) -> Self:
        """As it was read for the same things once, and kept beside the packages: so it can be taken where the
        sentence encoder is not.
        """
        path, names = packages / "lexicon.json", sorted(library.concepts)
        if path.exists() and (kept := json.loads(path.read_bytes()))["names"] == names:
            return cls(library, kept["words"], Fillers(*kept["around"]), kept["common"])
        read = cls.read(packages, library)
        partial = path.with_name("lexicon.json.partial")
        found = {"names": names, "words": read.words, "around": read.around, "common": read.common}
        partial.write_text(json.dumps(found), "utf-8")
        partial.replace(path)
        return read

    def entries(self, tokenizer: Path) -> list[str]:
        """Words for which an entry of their own is worth while in the vocabulary of that folder, the first most."""
        return words_for_entries(tokenizer, self.words, self.names(), self.plurals(), self.common)

    def names(self) -> set[str]:
        """What captions call one or several of a thing."""
        names = set(everyday_words(self.library.concepts))
        return names | {plural(name) for name in names}

    def plurals(self) -> dict[str, str]:
        """The last word of what captions call several of a thing, by that of what they call one."""
        names = filter(has_plural, everyday_words(self.library.concepts))
        return {name.split()[-1]: plural(name).split()[-1] for name in names}

    def rewriter(self, tokenizer: Path) -> Rewriter:
        """Says captions otherwise, by words that have an entry in the vocabulary of that folder."""
        return Rewriter(self.library, self.known_to(tokenizer), self.around, self.words)

    def known_to(self, tokenizer: Path) -> dict[str, str]:
        """What each word means, of those that have an entry in the vocabulary of that folder, and of phrases."""
        pieces = pieces_of(tokenizer)
        return {word: name for word, name in self.words.items() if " " in word or len(pieces(word)) == 1}
