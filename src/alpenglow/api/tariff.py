"""What pages say about prices before anything is made: a quote, and the tariff in words. The prices are metering's."""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from alpenglow.api.metering import DOLLARS_PER_NEURON, TARIFF, ByMegapixel, dollars, neurons, price
from alpenglow.imaging import REFERENCE_SIDE
from alpenglow.request import MAX_REFERENCES, MAX_SIDE, MIN_SIDE, GenerationRequest


class Asked(BaseModel):
    """Pictures that somebody thinks of: so many of one size, each with so many references of 512 x 512."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    width: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] = 1024
    height: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] = 768
    references: Annotated[int, Field(ge=0, le=MAX_REFERENCES)] = 0
    pictures: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1


def quote(row: str, asked: Asked) -> dict[str, float]:
    """Neurons and US dollars for them by the model of that catalogue row."""
    reference = np.broadcast_to(np.zeros((), np.uint8), (REFERENCE_SIDE, REFERENCE_SIDE, 3))
    one = GenerationRequest(row, "", asked.width, asked.height, 0, None, (reference,) * asked.references)
    amount = price(row, one) * asked.pictures
    return {"neurons": neurons(amount), "dollars": dollars(amount)}


def described(row: str) -> list[tuple[str, float, float]]:
    """The tariff of a row as lines of a table: what is counted, neurons for it, US dollars for it."""
    rule = TARIFF[row]
    lines = (
        [
            ("the first megapixel of a picture", rule.first),
            ("each further megapixel", rule.further),
            ("each megapixel of a reference", rule.reference),
        ]
        if isinstance(rule, ByMegapixel)
        else [
            ("each begun 512 x 512 of a picture", rule.made * rule.steps),
            ("each begun 512 x 512 of a reference", rule.reference * rule.steps),
        ]
    )
    return [(name, amount, amount * DOLLARS_PER_NEURON) for name, amount in lines]
