"""What things are called, one of them and several: by their names, by everyday words and by keywords."""

import re
from collections.abc import Iterable

from alpenglow.training.drawings import Concept


def other_words(concept: Concept) -> list[str]:
    """Those of a thing's keywords that one could call it by."""
    return [word for word in concept.keywords if word not in MISLEADING] if concept.group in _THINGS else []


def everyday_words(names: Iterable[str]) -> dict[str, str]:
    """What captions call each of the concepts of these `names`, its name among it, and which it is."""
    return {word: name for name in names for word in (name, *EVERYDAY.get(name, ()))}


def article(phrase: str) -> str:
    """The article of a phrase: a, an, or nothing before a plural, a mass noun or a name."""
    head = re.split(_AFTER_HEAD, phrase, maxsplit=1)[0]
    plural = head.endswith("s") and not head.endswith(("ss", "us", "is", "as"))
    if plural or phrase in _MASS or phrase.startswith(_PROPER):
        return ""
    return "an" if re.match("(?!one|e[uw])[aeio]|u[mnp](?!i)|hour", phrase) else "a"


def countable(concept: Concept) -> bool:
    """Whether a concept is one thing whose name has a plural."""
    return concept.group != "symbols" and has_plural(concept.name)


def has_plural(name: str) -> bool:
    """Whether that is what one thing is called, with nothing after what it is."""
    return bool(article(name)) and not re.search(_AFTER_HEAD, name)


def plural(name: str) -> str:
    """Of a countable concept's name: "mice", "polar bears", "foxes"."""
    ending, plural_ending = next((ending, many) for ending, many in PLURALS.items() if re.search(ending, name))
    return re.sub(ending, plural_ending, name, count=1)


EVERYDAY: dict[str, tuple[str, ...]] = {
    "automobile": ("car",),
    "sport utility vehicle": ("suv",),
    "evergreen tree": ("fir tree", "conifer"),
    "deciduous tree": ("tree",),
    "red heart": ("heart",),
    "red apple": ("apple",),
    "doughnut": ("donut",),
    "hot beverage": ("cup of coffee", "coffee"),
    "honeybee": ("bee",),
    "lady beetle": ("ladybug",),
    "light bulb": ("lamp",),
    "mobile phone": ("phone", "smartphone"),
    "ewe": ("sheep",),
    "chipmunk": ("squirrel",),
    "fire": ("flame",),
    "fire engine": ("fire truck",),
    "rabbit": ("bunny",),
    "cat": ("kitty",),
    "pizza": ("slice of pizza",),
    "birthday cake": ("cake",),
    "beer mug": ("beer",),
    "wine glass": ("glass of wine",),
    "cheese wedge": ("cheese", "piece of cheese"),
    "chocolate bar": ("chocolate",),
    "cocktail glass": ("cocktail",),
    "bottle with popping cork": ("champagne", "bottle of champagne"),
    "soft ice cream": ("ice cream cone",),
    "meat on bone": ("meat",),
    "glass of milk": ("milk",),
    "teacup without handle": ("tea", "cup of tea"),
    "cooking": ("fried egg",),
    "hot pepper": ("chili",),
    "poultry leg": ("chicken leg",),
    "tangerine": ("mandarin",),
    "t-shirt": ("shirt",),
    "running shoe": ("sneaker",),
    "tropical fish": ("colourful fish",),
    "bicycle": ("bike",),
    "flying saucer": ("ufo",),
    "grinning face": ("smiley",),
    "jack-o-lantern": ("halloween pumpkin",),
    "teddy bear": ("teddy",),
    "game die": ("dice",),
    "adhesive bandage": ("bandage",),
    "articulated lorry": ("truck", "lorry"),
    "billed cap": ("cap", "baseball cap"),
    "carousel horse": ("carousel",),
    "carpentry saw": ("saw",),
    "classical building": ("temple", "museum"),
    "closed book": ("book",),
    "couch and lamp": ("couch", "sofa"),
    "crossed swords": ("swords",),
    "desktop computer": ("computer",),
    "dollar banknote": ("dollar bill", "banknote"),
    "droplet": ("drop of water",),
    "electric plug": ("plug",),
    "flag in hole": ("golf flag",),
    "fuel pump": ("gas pump",),
    "full moon": ("moon",),
    "gem stone": ("gem", "diamond"),
    "glasses": ("spectacles", "eyeglasses"),
    "globe showing europe-africa": ("globe", "earth"),
    "headphone": ("headphones",),
    "high voltage": ("lightning", "bolt of lightning"),
    "high-heeled shoe": ("high heel",),
    "hourglass done": ("hourglass",),
    "kick scooter": ("scooter",),
    "locked": ("lock", "padlock"),
    "magic wand": ("wand",),
    "magnifying glass tilted left": ("magnifying glass",),
    "man's shoe": ("shoe",),
    "motorcycle": ("motorbike",),
    "musical keyboard": ("piano",),
    "optical disk": ("cd",),
    "package": ("box", "cardboard box"),
    "passenger ship": ("cruise ship", "ocean liner"),
    "performing arts": ("theatre masks",),
    "pile of poo": ("poo",),
    "pool 8 ball": ("billiard ball",),
    "postbox": ("mailbox",),
    "red paper lantern": ("lantern",),
    "ring buoy": ("lifebuoy",),
    "ringed planet": ("planet", "saturn"),
    "santa claus": ("santa",),
    "sports medal": ("medal", "gold medal"),
    "statue of liberty": ("the statue of liberty",),
    "television": ("tv",),
    "tennis": ("tennis ball",),
    "vertical traffic light": ("traffic light",),
    "wastebasket": ("trash can", "bin"),
    "water wave": ("wave",),
    "woman's boot": ("boot",),
    "woman's hat": ("hat",),
}
"""What people say for a concept, beside its name and its keywords."""

PLURALS = {
    r"(fish|sheep|deer|moose|bison|shrimp|squid|aircraft|spacecraft)$": r"\1",
    r"\bmouse$": "mice",
    r"\bperson$": "people",
    r"\bdie$": "dice",
    r"\b([ft])oot(h?)$": r"\1eet\2",
    r"\bgoose$": "geese",
    r"\box$": "oxen",
    r"man$": "men",
    r"(lea|wol|loa|cal|shea|scar)f$": r"\1ves",
    r"knife$": "knives",
    r"([^aeiou])y$": r"\1ies",
    r"(s|x|ch|sh|cano|quito|alo|tato|mato)$": r"\1es",
    r"$": "s",
}
"""Endings and what becomes of them in the plural. The first that fits counts."""

_MASS = frozenset(
    {
        *("bacon", "bread", "broccoli", "butter", "canned food", "cooked rice", "cooking", "curry rice", "custard"),
        *("fondue", "garlic", "ginger root", "green salad", "ice", "leafy green", "mate", "meat on bone", "oden"),
        *("popcorn", "pouring liquid", "sake", "salt", "shaved ice", "spaghetti", "sushi"),
        *("fire", "fog", "sand", "dna", "wood", "luggage", "soap", "yarn", "lightning", "earth", "construction"),
        *("high voltage", "locked", "tennis", "bowling", "ping pong", "skis", "maracas"),
    }
)
_PROPER = ("the ", "mount ", "santa", "mrs.", "mx ", "tokyo", "map of")
MISLEADING = frozenset(
    {
        *("cancer", "crippled", "die", "female", "i'm", "leo", "loud", "male", "rod", "scorpio", "scorpius", "silly"),
        *("taurus", "zodiac", "alpha", "anteater", "bakery", "bday", "brewery", "bull"),
        *("calculus", "champion", "champs", "cheat", "chess", "class", "clocks", "country", "creamery", "cuisine"),
        *("diet", "drought", "eruption", "family", "feeder", "flamboyant", "gang", "gastronomy", "genderqueer"),
        *("glbt", "glbtq", "growl", "hrs", "idea", "knights", "lesbian", "lgbt", "lgbtq", "lgbtqia"),
        *("moo", "order", "organs", "outdoors", "oven", "piece", "pirate", "plant", "plumbing", "poke", "pool"),
        *("potassium", "pride", "rape", "rawr", "recording", "resort", "ride", "roar", "rotor", "sang", "seafood"),
        *("sealing wax", "settle", "shovel", "slay", "sour", "starfish", "station", "stove", "suburbia", "talk"),
        *("throw", "timothy", "trans", "transgender", "transportation", "tuna", "tubing", "unlock", "vegetarianism"),
        *("victory", "weekend", "where", "whorehouse"),
    }
)
"""Keywords of drawings and nouns near to things that would mislead whoever says them: they mean something else."""

_THINGS = frozenset({"animals-nature", "food-drink", "travel-places", "activities", "objects"})


_AFTER_HEAD = r" (?:with|of|in|showing|tilted|done|and)\b"
