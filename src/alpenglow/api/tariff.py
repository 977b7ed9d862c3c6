"""What a picture costs, and what pages say about that before anything is made. The only file that knows prices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from alpenglow.imaging import REFERENCE_SIDE
from alpenglow.ledger.books import MICRO
from alpenglow.request import MAX_REFERENCES, MAX_SIDE, MIN_SIDE, GenerationRequest

DOLLARS_PER_NEURON = 0.011 / 1000
MEGAPIXEL = 1024 * 1024
TILE = 512


@dataclass(frozen=True, slots=True)
class ByMegapixel:
    """Neurons for the first megapixel made, for each further one, and for each of a reference. Fractions count."""

    first: float
    further: float
    reference: float

    def neurons(self, asked: GenerationRequest) -> float:
        """The price of one picture."""
        made = asked.width * asked.height / MEGAPIXEL
        read = sum(picture.shape[0] * picture.shape[1] for picture in asked.references) / MEGAPIXEL
        return min(made, 1) * self.first + max(made - 1, 0) * self.further + read * self.reference

    def lines(self) -> list[tuple[str, float]]:
        """What is counted, and neurons for each of it."""
        return [
            ("the first megapixel of a picture", self.first),
            ("each further megapixel", self.further),
            ("each megapixel of a reference", self.reference),
        ]


@dataclass(frozen=True, slots=True)
class ByTile:
    """Neurons for each square of 512 x 512, a begun one counting in full, of a reference and of the picture made."""

    reference: float
    made: float
    steps: int = 1

    def neurons(self, asked: GenerationRequest) -> float:
        """The price of one picture."""
        read = sum(_tiles(*picture.shape[:2]) for picture in asked.references)
        return self.steps * (_tiles(asked.height, asked.width) * self.made + read * self.reference)

    def lines(self) -> list[tuple[str, float]]:
        """What is counted, and neurons for each of it."""
        return [
            ("each begun 512 x 512 of a picture", self.made * self.steps),
            ("each begun 512 x 512 of a reference", self.reference * self.steps),
        ]


# Published for klein-9b in dollars ($0.015, $0.002, $0.002), for the others in neurons: developers.cloudflare.com,
# Workers AI, Pricing. Rows that Cloudflare does not offer cost what the offered one of their size does.
KLEIN_9B = ByMegapixel(0.015 / DOLLARS_PER_NEURON, 0.002 / DOLLARS_PER_NEURON, 0.002 / DOLLARS_PER_NEURON)
KLEIN_4B = ByTile(reference=5.37, made=26.05)
TARIFF: Mapping[str, ByMegapixel | ByTile] = {
    "demo": ByTile(reference=0, made=0),
    "klein-4b": KLEIN_4B,
    "klein-base-4b": KLEIN_4B,
    "klein-9b": KLEIN_9B,
    "klein-9b-kv": KLEIN_9B,
    "klein-base-9b": KLEIN_9B,
    "dev": ByTile(reference=18.75, made=37.50, steps=50),
}
"""Catalogue row -> its price."""


def price(row: str, asked: GenerationRequest) -> int:
    """Millionths of a neuron for one picture by the model of that catalogue row."""
    return round(TARIFF[row].neurons(asked) * MICRO)


def neurons(amount: int) -> float:
    """An amount of the ledger in neurons."""
    return amount / MICRO


def dollars(amount: int) -> float:
    """An amount of the ledger in US dollars, by the price of neurons beyond the free ones."""
    return neurons(amount) * DOLLARS_PER_NEURON


def _tiles(height: int, width: int) -> int:
    return math.ceil(height / TILE) * math.ceil(width / TILE)


class PriceInput(BaseModel):
    """Pictures that somebody thinks of: so many of one size, each with so many references of 512 x 512."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    width: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] = 1024
    height: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] = 768
    references: Annotated[int, Field(ge=0, le=MAX_REFERENCES)] = 0
    pictures: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1


def quote(row: str, asked: PriceInput) -> dict[str, float]:
    """Neurons and US dollars for them by the model of that catalogue row."""
    reference = np.broadcast_to(np.zeros((), np.uint8), (REFERENCE_SIDE, REFERENCE_SIDE, 3))
    one = GenerationRequest(row, "", asked.width, asked.height, 0, None, (reference,) * asked.references)
    amount = price(row, one) * asked.pictures
    return {"neurons": neurons(amount), "dollars": dollars(amount)}


def described(row: str) -> list[tuple[str, float, float]]:
    """The tariff of a row as lines of a table: what is counted, neurons for it, US dollars for it."""
    return [(name, amount, amount * DOLLARS_PER_NEURON) for name, amount in TARIFF[row].lines()]
