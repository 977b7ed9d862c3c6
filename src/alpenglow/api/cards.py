"""A model by any of its names, and those that are told."""

from collections.abc import Sequence

from alpenglow.errors import UnknownModel
from alpenglow.request import ModelCard


def find(cards: Sequence[ModelCard], name: str) -> ModelCard:
    """The card that has that name among its `names`. Raises UnknownModel."""
    for card in cards:
        if name in card.names:
            return card
    raise UnknownModel(name)


def unprefixed(card: ModelCard) -> str:
    """`black-forest-labs/flux-2-klein-9b`: the API's name without `@cf/`."""
    return card.api_name.removeprefix("@cf/")


def short(card: ModelCard) -> str:
    """`flux-2-klein-9b`: the last part of the API's name."""
    return card.api_name.rpartition("/")[2]


def author(card: ModelCard) -> str:
    """`black-forest-labs`."""
    return unprefixed(card).rpartition("/")[0]
