"""How every bench ends. Imports nothing heavy."""

import json
from collections.abc import Mapping


def finish(bench: str, facts: Mapping[str, object]) -> None:
    """The result as the last line of stdout."""
    print(json.dumps({"bench": bench, **facts}), flush=True)
