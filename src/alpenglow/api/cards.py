"""A model by any of its names."""

from collections.abc import Sequence

from alpenglow.errors import UnknownModel
from alpenglow.request import ModelCard


def find(cards: Sequence[ModelCard], name: str) -> ModelCard:
    """The card that has that name among its `names`. Raises UnknownModel."""
    for card in cards:
        if name in card.names:
            return card
    raise UnknownModel(name)
