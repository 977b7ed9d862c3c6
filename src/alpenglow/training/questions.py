"""What a demo checkpoint is asked by the evaluation: prompts, their references, and the right answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import cycle, islice
from pathlib import Path

from alpenglow.request import RGB
from alpenglow.training.captions import AT_TIME, DEFAULT_STYLE, NUMBERS, PLACE_WORDS
from alpenglow.training.drawings import STYLES, Library
from alpenglow.training.instructions import DIRECTIONS, enumerated
from alpenglow.training.lexicon import Lexicon
from alpenglow.training.names import EVERYDAY, article, countable, other_words, plural
from alpenglow.training.pictures import LARGEST_CELL, Picture, render_picture
from alpenglow.training.scenes import SCENES
from alpenglow.training.things import OTHERS


@dataclass(frozen=True)
class Question:
    """A prompt with its references, the size and guidance to draw it with, and the right answer."""

    prompt: str
    width: int
    height: int
    right: Picture
    references: tuple[RGB, ...] = ()
    guidance: float | None = None


def named(library: Library, style: str, width: int, height: int, guidance: float | None = None) -> Iterator[Question]:
    """Every thing by its name, in a style that is named unless it is the one that goes without saying."""
    for concept in library.concepts:
        if (concept, style) in library.drawings:
            prompt = f"a {concept}" if style == DEFAULT_STYLE else f"a {concept}, {style} style"
            yield Question(prompt, width, height, Picture(((concept, style),)), guidance=guidance)


def some_named(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every fourth thing in the default style, for frames that take long to draw."""
    return islice(named(library, DEFAULT_STYLE, width, height), 0, None, 4)


def keyworded(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing by the other words for it that are no part of its name, and that do not hold it."""
    for concept in library.concepts.values():
        for word in dict.fromkeys((*EVERYDAY.get(concept.name, ()), *other_words(concept))):
            if concept.name not in word and word not in concept.name:
                yield Question(f"a {word}", width, height, Picture(((concept.name, DEFAULT_STYLE),)))


def called(library: Library, folder: Path, tokenizer: Path, width: int, height: int) -> Iterator[Question]:
    """Every other word that means one of the things and has an entry in the vocabulary of the folder `tokenizer`;
    `folder` is where the packages are.
    """
    for word, name in Lexicon.kept(folder, library).known_to(tokenizer).items():
        yield Question(f"{article(word)} {word}".strip(), width, height, Picture(((name, DEFAULT_STYLE),)))


def typed(prompts: Mapping[str, Picture], width: int, height: int) -> Iterator[Question]:
    """What people ask an image model for, in their own words."""
    for prompt, right in prompts.items():
        yield Question(prompt, width, height, right)


def on_colour(library: Library, colour: str, width: int, height: int) -> Iterator[Question]:
    """Every thing on a coloured background."""
    for concept in library.concepts:
        right = Picture(((concept, DEFAULT_STYLE),), colour)
        yield Question(f"a {concept} on a {colour} background", width, height, right)


def landscapes(library: Library, width: int, height: int) -> Iterator[Question]:  # noqa: ARG001 - an Ask
    """Every place at every time of day, in clear weather."""
    for scene in SCENES:
        if scene.weather == "clear":
            place, time = PLACE_WORDS[scene.place].alone[0], AT_TIME[scene.time][-1]
            yield Question(f"{place} {time}", width, height, Picture((), scene))


def pairs(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing beside the next one."""
    for left, right in neighbours(library):
        yield Question(f"a {left} beside a {right}", width, height, side_by_side(left, right))


def stacks(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing on the next one."""
    for upper, lower in neighbours(library):
        right = replace(side_by_side(upper, lower), arrangement="on")
        yield Question(f"a {upper} on a {lower}", width, height, right)


def small(library: Library, width: int, height: int) -> Iterator[Question]:
    """Every thing at half its size."""
    for concept in library.concepts:
        if (concept, DEFAULT_STYLE) in library.drawings:
            right = Picture(((concept, DEFAULT_STYLE),), arrangement="small")
            yield Question(f"a small {concept}", width, height, right)


def counted(library: Library, number: int, width: int, height: int) -> Iterator[Question]:
    """So many of every thing whose name has a plural."""
    for concept in library.concepts.values():
        if countable(concept) and (concept.name, DEFAULT_STYLE) in library.drawings:
            right = Picture(((concept.name, DEFAULT_STYLE),) * number)
            yield Question(f"{NUMBERS[number][0]} {plural(concept.name)}", width, height, right)


def restyled(library: Library, style: str, width: int, height: int, content: int = 1) -> Iterator[Question]:
    """The documented edit: a thing in the default style, or in noto where that is `style`, drawn like the next one.

    `content` says which of the two images the thing is: 1 as documented, or 0.
    """
    before = DEFAULT_STYLE if style != DEFAULT_STYLE else "noto"
    names = [name for name in library.concepts if {before, style} <= set(library.styles_of(name))]
    for subject, model in zip(names, [*names[1:], names[0]], strict=True):
        keys = ((model, style), (subject, before))[:: 1 if content else -1]
        references = tuple(reference(key, library, width) for key in keys)
        prompt = f"take the subject of image {content} and style it like image {1 - content}"
        yield Question(prompt, width, height, Picture(((subject, style),)), references)


def redrawn(library: Library, style: str, width: int, height: int) -> Iterator[Question]:
    """The same with one reference and the style by its name."""
    for question in restyled(library, style, width, height):
        prompt = f"turn image 0 into {style} style"
        yield replace(question, prompt=prompt, references=question.references[1:])


def moved(library: Library, width: int, height: int, side: int) -> Iterator[Question]:
    """Two references of `side` pixels beside each other."""
    for left, right in neighbours(library):
        references = tuple(reference((name, DEFAULT_STYLE), library, side) for name in (left, right))
        yield Question("put image 0 beside image 1", width, height, side_by_side(left, right), references)


def moved_by_name(library: Library, width: int, height: int) -> Iterator[Question]:
    """Two references beside each other, called what they show; the one that is to be on the left comes last."""
    for left, right in neighbours(library):
        references = tuple(reference((name, DEFAULT_STYLE), library, width) for name in (right, left))
        yield Question(f"place the {left} beside the {right}", width, height, side_by_side(left, right), references)


def gathered(library: Library, number: int, width: int, height: int) -> Iterator[Question]:
    """So many references in one picture: every thing and the next ones."""
    names = list(library.concepts)
    for i in range(len(names)):
        keys = tuple((names[(i + k) % len(names)], "noto") for k in range(number))
        references = tuple(reference(key, library, width) for key in keys)
        yield Question(f"put {enumerated(number)} together", width, height, Picture(keys), references)


def shifted(library: Library, width: int, height: int) -> Iterator[Question]:
    """A reference moved, every thing in another direction than the one before."""
    for concept, direction in zip(library.concepts, cycle(DIRECTIONS)):
        drawing = ((concept, "noto"),)
        references = (reference(drawing[0], library, width),)
        right = Picture(drawing, arrangement=direction)
        yield Question(f"move image 0 {DIRECTIONS[direction][-1]}", width, height, right, references)


def recoloured(library: Library, colour: str, width: int, height: int, others: int = 0) -> Iterator[Question]:
    """The last reference on another background: every thing in noto style, after `others` next ones."""
    names = list(library.concepts)
    for i, concept in enumerate(names):
        shown = [*(names[(i + k) % len(names)] for k in range(others, 0, -1)), concept]
        references = tuple(reference((name, "noto"), library, width) for name in shown)
        right = Picture(((concept, "noto"),), colour)
        yield Question(f"put image {others} on a {colour} background", width, height, right, references)


def neighbours(library: Library) -> Iterator[tuple[str, str]]:
    """Every thing that the default style draws, and the next one."""
    names = [name for name in library.concepts if (name, DEFAULT_STYLE) in library.drawings]
    return zip(names, [*names[1:], names[0]], strict=True)


def side_by_side(left: str, right: str) -> Picture:
    """Two things in the default style."""
    return Picture(((left, DEFAULT_STYLE), (right, DEFAULT_STYLE)))


@lru_cache(maxsize=16)
def reference(key: tuple[str, str], library: Library, width: int) -> RGB:
    """A drawing as large as in a picture of this width. Kept for the next questions, which show it again."""
    return render_picture(Picture((key,)), library, min(width, LARGEST_CELL), min(width, LARGEST_CELL))


def _shown(name: str, *, beside: str = "", on: str = "") -> Picture:
    """What a prompt shows of one thing, or of two."""
    names = [one for one in (name, beside, on) if one]
    return Picture(tuple((one, DEFAULT_STYLE) for one in names), arrangement="on" if on else "")


AS_TYPED = {
    "a photo of a golden retriever puppy lying on a couch": _shown("dog", on="couch and lamp"),
    "Can you draw me a sleepy kitten?": _shown("cat"),
    "cute corgi, kawaii, pastel colors": _shown("dog"),
    "An old wooden sailing boat in the harbour": _shown("sailboat"),
    "a vintage sports car at a car show": _shown("automobile"),
    "a fluffy bunny eating grass": _shown("rabbit"),
    "a cozy cottage with a thatched roof": _shown("house"),
    "medieval fortress, epic fantasy concept art": _shown("castle"),
    "an acoustic guitar leaning against a wall": _shown("guitar"),
    "close-up of a ripe strawberry with water droplets": _shown("strawberry", beside="droplet"),
    "a jet plane taking off": _shown("airplane"),
    "a cheeseburger with extra pickles": _shown("hamburger"),
    "portrait of a majestic lion, golden hour": _shown("lion"),
    "a sparrow perched on a branch": _shown("bird"),
    "a friendly robot waving hello": _shown("robot"),
    "an astronaut floating in outer space": _shown("astronaut"),
    "a steaming mug of coffee on a rainy morning": _shown("hot beverage"),
    "a slice of pepperoni pizza": _shown("pizza"),
    "a red rose in a glass vase": _shown("rose"),
    "spooky ghost for a halloween party invitation": _shown("ghost"),
    "a jolly snowman with a top hat": _shown("snowman", beside="top hat"),
    "laptop computer on a desk": _shown("laptop"),
    "a steam locomotive, vintage poster": _shown("locomotive"),
    "old fashioned alarm clock ringing": _shown("alarm clock"),
    "a bike leaning on a fence": _shown("bicycle"),
    "app icon of a rocket ship": _shown("rocket"),
    "a whale jumping out of the ocean": _shown("whale"),
    "minimalist logo of a fox": _shown("fox"),
    "a baby panda eating bamboo": _shown("panda"),
    "sketch of an owl wearing spectacles": _shown("owl", beside="glasses"),
    "a school of dolphins": _shown("dolphin"),
    "watercolour painting of a monarch butterfly": _shown("butterfly"),
    "a bright yellow banana, studio photography": _shown("banana"),
    "big juicy watermelon cut in half": _shown("watermelon"),
    "a fire truck rushing to the scene": _shown("fire engine"),
    "pixel art dragon breathing fire": _shown("dragon"),
    "a stallion galloping through a field": _shown("horse"),
    "a piglet in the mud": _shown("pig"),
    "tom cat sleeping in a cardboard box": _shown("cat"),
    "an elephant balancing on a ball, circus poster": _shown("elephant", on="soccer ball"),
    "an emperor penguin, national geographic": _shown("penguin"),
    "a human skull on black velvet": _shown("skull"),
    "a fancy birthday cake with candles": _shown("birthday cake", beside="candle"),
    "pink tulip in spring": _shown("tulip"),
    "unicorn sticker for my daughter": _shown("unicorn"),
    "a grizzly fishing for salmon": _shown("bear"),
    "a hermit crab": _shown("crab"),
    "a freshly cut lemon": _shown("lemon"),
    "a parrot that talks": _shown("parrot"),
    "a yacht at anchor": _shown("sailboat"),
    "a colorful umbrella, rainy mood": _shown("umbrella"),
    "a gift box wrapped with a ribbon": _shown("wrapped gift", beside="ribbon"),
    "a chimpanzee thinking": _shown("monkey"),
    "a sedan, side view": _shown("automobile"),
    "a cactus in a terracotta pot": _shown("cactus"),
    "a king's crown with rubies": _shown("crown"),
    "a honeybee collecting pollen": _shown("honeybee"),
}
"""Prompts, written down before the words of `wordings` were trained, and what each shows. Where a second thing is named
as well, it counts since it was taught. What failed of these has led to some of those words: they are no test any more.
"""

TYPED_SINCE = {
    "a photo of my cat asleep on the windowsill": _shown("cat"),
    "my grandmother's teapot, still life": _shown("teapot"),
    "a bowl of hot soup": _shown("steaming bowl"),
    "kawaii avocado sticker": _shown("avocado"),
    "a bus stuck in traffic": _shown("bus"),
    "an angry rooster, woodcut": _shown("rooster"),
    "a pair of red sneakers": _shown("running shoe"),
    "a fluffy sheep grazing": _shown("ewe"),
    "the moon and nothing else": _shown("full moon"),
    "a delicious taco": _shown("taco"),
    "a tiny turtle crossing the road": _shown("turtle"),
    "a majestic eagle soaring": _shown("eagle"),
    "a rusty old key": _shown("key"),
    "a wooden chair in an empty room": _shown("chair"),
    "a cup of green tea": _shown("teacup without handle"),
    "pepperoni pizza fresh out of the oven": _shown("pizza"),
    "a toy robot from the fifties": _shown("robot"),
    "a big green dinosaur": _shown("t-rex"),
    "an electric guitar, neon lights": _shown("guitar"),
    "a sunflower for mom": _shown("sunflower"),
    "a witch's broom": _shown("broom"),
    "my new bicycle": _shown("bicycle"),
    "a red fire truck": _shown("fire engine"),
    "a snake coiled up, tattoo design": _shown("snake"),
    "a hedgehog drinking milk": _shown("hedgehog", beside="glass of milk"),
    "a crocodile with sharp teeth": _shown("crocodile"),
    "a hammer and a wrench": _shown("hammer", beside="wrench"),
    "a bee on a flower": _shown("honeybee", on="white flower"),
    "a scary spider hanging from the ceiling": _shown("spider"),
    "the cutest hamster ever": _shown("hamster"),
    "a crystal ball on a velvet cloth": _shown("crystal ball"),
    "a police car chasing someone": _shown("police car"),
    "a delicious burger, advertisement": _shown("hamburger"),
    "a fresh croissant for breakfast": _shown("croissant"),
    "gold trophy, isolated": _shown("trophy"),
    "a bottle of champagne popping": _shown("bottle with popping cork"),
    "a kangaroo boxing": _shown("kangaroo"),
    "a cute octopus waving": _shown("octopus"),
    "an apple a day": _shown("red apple"),
    "a bunch of grapes": _shown("grapes"),
    "a bunch of bananas": _shown("banana"),
    "christmas tree with lots of presents": _shown("christmas tree"),
    "a dragon guarding its treasure": _shown("dragon"),
    "old telephone with a rotary dial": _shown("telephone"),
    "a pirate's parrot": _shown("parrot"),
}
"""More of them, written down when all words had been chosen; nothing has been changed because of these."""

Ask = Callable[[Library], Iterator[Question]]
SETS: dict[str, Ask] = {
    **{
        f"named, {style}, {side}x{side}": partial(named, style=style, width=side, height=side)
        for side in (256, 512, 1024)
        for style in STYLES
    },
    "named, fluent, 1024x768": lambda library: named(library, DEFAULT_STYLE, 1024, 768),
    "named, fluent, 768x1024": lambda library: named(library, DEFAULT_STYLE, 768, 1024),
    "named, fluent, 1280x768": lambda library: named(library, DEFAULT_STYLE, 1280, 768),
    **{
        f"named, fluent, {width}x{height}": partial(some_named, width=width, height=height)
        for width, height in ((1536, 1024), (1024, 1536), (1920, 1088), (1088, 1920), (1920, 1920))
    },
    "named, fluent, 256x256, guidance 2": lambda library: named(library, DEFAULT_STYLE, 256, 256, guidance=2.0),
    "other words, 256x256": lambda library: keyworded(library, 256, 256),
    "as people type, 256x256": lambda _: typed(AS_TYPED, 256, 256),
    "as people type, written since, 256x256": lambda _: typed(TYPED_SINCE, 256, 256),
    "on blue, 512x512": lambda library: on_colour(library, "blue", 512, 512),
    "two things, 512x512": lambda library: pairs(library, 512, 512),
    "a thing on another, 512x512": lambda library: stacks(library, 512, 512),
    "a small thing, 512x512": lambda library: small(library, 512, 512),
    **{
        f"{NUMBERS[number][0]} of a thing, 512x512": partial(counted, number=number, width=512, height=512)
        for number in (2, 3, 4)
    },
    "landscapes, 512x512": lambda library: landscapes(library, 512, 512),
    "landscapes, 1024x768": lambda library: landscapes(library, 1024, 768),
    "landscapes, 1024x1024": lambda library: landscapes(library, 1024, 1024),
    "landscapes, 1920x1088": lambda library: islice(landscapes(library, 1920, 1088), 0, None, 2),
    "landscapes, 1088x1920": lambda library: islice(landscapes(library, 1088, 1920), 0, None, 2),
    **{
        f"restyled like {style}, {side}x{side}": partial(restyled, style=style, width=side, height=side)
        for side in (256, 512)
        for style in STYLES
    },
    "restyled like noto, image 0 like image 1, 512x512": lambda library: restyled(library, "noto", 512, 512, content=0),
    "turned into noto, 512x512": lambda library: redrawn(library, "noto", 512, 512),
    "put on blue, 512x512": lambda library: recoloured(library, "blue", 512, 512),
    "image 1 of two put on blue, 512x512": lambda library: recoloured(library, "blue", 512, 512, others=1),
    "image 3 of four put on blue, 512x512": lambda library: recoloured(library, "blue", 512, 512, others=3),
    "moved, 512x512": lambda library: shifted(library, 512, 512),
    "two references beside each other, by name, 512x512": lambda library: moved_by_name(library, 512, 512),
    "three references together, 512x512": lambda library: gathered(library, 3, 512, 512),
    "four references together, 512x512": lambda library: gathered(library, 4, 512, 512),
    "two references beside each other, 512x512": lambda library: moved(library, 512, 512, 512),
    "two references of 256x256 beside each other, 512x512": lambda library: moved(library, 512, 512, 256),
    "two references beside each other, 1024x768": lambda library: moved(library, 1024, 768, 512),
}
"""What is asked, by title: of the favourites, of which the demo was taught everything."""

_OF_OTHERS = (
    *(f"named, {style}, {side}x{side}" for side in (256, 512) for style in STYLES),
    *("named, fluent, 1024x1024", "named, noto, 1024x1024", "named, fluent, 1024x768", "named, fluent, 1280x768"),
    *("other words, 256x256", "on blue, 512x512", "two things, 512x512"),
    *("restyled like fluent, 512x512", "restyled like noto, 512x512"),
)
_UNASKED = {("people and faces", "other words, 256x256")}  # captions call people by no keywords
OF_OTHERS: dict[str, dict[str, Ask]] = {
    group: {f"{title}, {group}": SETS[title] for title in _OF_OTHERS if (group, title) not in _UNASKED}
    for group in OTHERS
}
"""What is asked of each group that is taught beside the favourites."""

UNTAUGHT: dict[str, Ask] = {
    "put on blue, 512x512, things never named": lambda library: recoloured(library, "blue", 512, 512),
}
"""What is asked about everything else. Every tenth thing is enough."""
