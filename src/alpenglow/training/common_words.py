"""How common English words are, as SCOWL's lists by size say. Knows no meanings."""

import json
from pathlib import Path

from alpenglow.training.drawings import SOURCES

LEVELS = (10, 20, 35, 40, 50, 55, 60)
"""SCOWL's sizes: 10 is the commonest thousands, at 35 everybody knows a word, at 60 most do."""
SPELLINGS = ("english", "american", "british")


def common_words(folder: Path) -> dict[str, int]:
    """Every word in lower case and the least of LEVELS that it is in, plurals and other forms among them.

    Reads the package under `folder`/node_modules. Raises FileNotFoundError where it is missing.
    """
    package = folder / "node_modules" / SOURCES["frequencies"].package
    found: dict[str, int] = {}
    for level in LEVELS:
        for spelling in SPELLINGS:
            for word in json.loads((package / f"{spelling}-words-{level}.json").read_bytes()):
                found.setdefault(word, level)
    return {word: level for word, level in found.items() if word.isalpha() and word.islower()}
