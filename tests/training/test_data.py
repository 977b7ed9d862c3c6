"""The training data: the drawings that npm brings, the scenes, their words, and the sampler over all of it."""

from collections import Counter

import numpy as np
import pytest

from alpenglow.catalogue import find
from alpenglow.errors import AlpenglowError
from alpenglow.imaging import REFERENCE_SIDE
from alpenglow.training import captions
from alpenglow.training.drawings import SOURCES, STYLES, fetch_packages, render, render_rgba, render_svg
from alpenglow.training.evaluate import glance
from alpenglow.training.examples import KINDS, TAUGHT, Sampler, training_prompts
from alpenglow.training.light import LIGHTS, WEATHERS
from alpenglow.training.names import EVERYDAY, plural
from alpenglow.training.pictures import LARGEST_CELL, TOKEN, Picture, render_picture
from alpenglow.training.scenery import PLACES
from alpenglow.training.scenes import GROUND, SCENES, Scene, scene_svg
from alpenglow.training.things import ANIMALS_AND_PLANTS, FAVOURITES, FOOD_AND_DRINK


def scene_pixels(scene, width=64, height=64, seed=0):
    return render_svg(scene_svg(scene, width, height, np.random.default_rng(seed)))


def test_packages_in_place_are_not_fetched_again(packages, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert fetch_packages(packages) == packages


def test_without_npm_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AlpenglowError, match=r"Node\.js"):
        fetch_packages(tmp_path)


def test_every_source_has_a_pinned_version_and_a_licence():
    assert set(SOURCES) == {*STYLES, "words", "lexicon", "frequencies"}
    licences = {"Apache-2.0", "MIT", "CC-BY-4.0", "WordNet 3.0", "MIT, lists: SCOWL"}
    assert {source.licence for source in SOURCES.values()} == licences
    assert all(source.version.count(".") == 2 for source in SOURCES.values())


def test_the_library_holds_what_three_sets_draw(library):
    assert 1450 <= len(library.concepts) <= 1550
    styles = Counter(style for _, style in library.drawings)
    assert styles["noto"] == styles["fluent"] == styles["twemoji"] == len(library.concepts)
    assert 500 <= styles["fxemoji"] <= 600
    assert {"dog face", "rocket", "sunrise over mountains"} <= set(library.concepts)
    assert not [name for name in library.concepts if "keycap" in name or "skin tone" in name or name.endswith("button")]
    assert library.styles_of("dog face") == STYLES


def test_a_keyword_is_never_another_concepts_name(library):
    keywords = {word for concept in library.concepts.values() for word in concept.keywords}
    everyday = {word for words in EVERYDAY.values() for word in words}
    assert not (keywords | everyday) & set(library.concepts)
    assert set(EVERYDAY) | captions.SCENIC | TAUGHT <= set(library.concepts)


@pytest.mark.parametrize(("group", "taught"), [("animals-nature", ANIMALS_AND_PLANTS), ("food-drink", FOOD_AND_DRINK)])
def test_what_is_taught_of_a_group_is_all_that_is_no_favourite(library, group, taught):
    there = {concept.name for concept in library.concepts.values() if concept.group == group}
    assert there - FAVOURITES == taught


def test_a_drawing_is_rendered_inside_its_margin(library):
    for key in (("rocket", "noto"), ("rocket", "fluent"), ("dog", "twemoji"), ("dog face", "fxemoji")):
        pixels = render(library.drawings[key], 100, "#3b82d6")
        assert pixels.shape == (100, 100, 3)
        assert pixels.dtype == np.uint8
        edge = np.concatenate([pixels[:5].reshape(-1, 3), pixels[:, :5].reshape(-1, 3)])
        assert (edge == (0x3B, 0x82, 0xD6)).all()
        assert pixels.std() > 20


def test_a_cut_out_drawing_is_opaque_inside_and_clear_outside(library):
    pixels = render_rgba(library.drawings["dog face", "noto"], 64)
    assert pixels.shape == (64, 64, 4)
    assert pixels[0, 0, 3] == 0
    assert pixels[32, 32, 3] == 255


def test_no_drawing_is_blank(library):
    blank = [key for key, drawing in library.drawings.items() if render(drawing, 48).std() < 3]
    assert not blank


def test_every_scene_fills_the_frame_and_looks_like_no_other():
    seen = {scene_pixels(scene).tobytes() for scene in SCENES}
    assert len(seen) == len(SCENES)
    assert all(scene_pixels(scene).std() > 4 for scene in SCENES[::7])


@pytest.mark.parametrize(("width", "height"), [(256, 256), (1920, 256), (256, 1024)])
def test_a_scene_has_the_shape_asked_for_and_follows_its_seed(width, height):
    scene = Scene("mountains", "sunset", "clear")
    first, again, other = (scene_pixels(scene, width, height, seed) for seed in (1, 1, 2))
    assert first.shape == (height, width, 3)
    assert (first == again).all()
    assert (first != other).any()


def test_nights_are_dark_snow_is_bright_and_sunsets_are_red():
    night, day, sunset = (
        scene_pixels(Scene("meadow", time, "clear")).astype(float) for time in ("night", "day", "sunset")
    )
    snow = scene_pixels(Scene("meadow", "day", "snow")).astype(float)
    assert night.mean() < 0.5 * day.mean()
    assert sunset[..., 0].mean() > 1.2 * sunset[..., 2].mean()
    assert snow[52:].mean() > 1.2 * day[52:].mean()


def test_the_words_cover_every_place_time_and_weather():
    assert set(captions.PLACE_WORDS) == set(PLACES)
    assert set(captions.TIME_NOUNS) == set(captions.AT_TIME) == set(LIGHTS)
    assert set(captions.IN_WEATHER) == set(WEATHERS)
    said = {captions.scene(Scene("mountains", "sunset", "clear"), np.random.default_rng(seed)) for seed in range(200)}
    assert {"a sunset at the alps", "mountains at sunset"} <= said


@pytest.mark.parametrize(
    ("phrase", "article"),
    [
        ("dog", "a"),
        ("owl", "an"),
        ("umbrella", "an"),
        ("unicorn", "a"),
        ("french fries", ""),
        ("bus", "a"),
        ("bread", ""),
    ],
)
def test_things_have_the_article_that_a_person_would_use(library, phrase, article):
    concept = library.concepts[phrase]
    words = {captions.subject(concept, "noto", np.random.default_rng(seed)).split(",")[0].lower() for seed in range(60)}
    assert f"{article} {phrase}".strip() in words
    assert f"{ {'a': 'an', 'an': 'a', '': 'a'}[article] } {phrase}" not in words


@pytest.mark.parametrize("synonyms", [0.0, 1.0])
def test_a_thing_is_called_by_a_keyword_as_often_as_is_asked(library, synonyms):
    penguin = library.concepts["penguin"]
    for seed in range(60):
        caption = captions.subject(penguin, "noto", np.random.default_rng(seed), synonyms=synonyms).lower()
        assert ("antarctica" in caption) == (synonyms == 1)


def test_an_unstyled_caption_means_the_default_style(library):
    for plan in plans(library, 2000, "subject"):
        styled = any(style in plan.caption.lower() for style in STYLES)
        (concept, style), *_ = plan.picture.drawings
        assert styled or style == captions.DEFAULT_STYLE, plan
        assert styled or concept not in captions.SCENIC, plan
        named = [colour for colour in captions.COLOURS if f" {colour} background" in plan.caption]
        assert plan.picture.ground == (max(named, key=len) if named else "white")


def plans(library, count, kind=None, seed=0):
    sampler, rng = Sampler(library), np.random.default_rng(seed)
    return [sampler.plan(rng, kind) for _ in range(count)]


def test_the_same_seed_draws_the_same_plans_of_every_kind(library):
    drawn = plans(library, 3000)
    assert drawn == plans(library, 3000)
    assert drawn != plans(library, 3000, seed=1)
    assert {plan.kind for plan in drawn} == set(KINDS)


def test_captions_are_short_and_of_many_kinds(library):
    prompts = training_prompts(library, np.random.default_rng(0), 5000)
    assert max(len(prompt.split()) for prompt in prompts) <= 24
    assert len(set(prompts)) > 2500
    assert prompts == training_prompts(library, np.random.default_rng(0), 5000)


def test_references_and_restyled_targets_are_base_pictures(library):
    base = {Picture((key,)) for key in library.drawings}
    for plan in plans(library, 3000):
        assert base.issuperset(plan.references)
        assert plan.kind not in {"restyle", "make style"} or plan.picture in base


def test_restyling_keeps_the_subject_of_one_image_and_takes_the_style_of_the_other(library):
    orders = set()
    for plan in plans(library, 500, "restyle"):
        first, second = (int(word) for word in plan.caption.rstrip(".").replace("image", "").split() if word.isdigit())
        content, model = (second, first) if plan.caption.lower().startswith("use") else (first, second)
        ((concept, style),) = plan.picture.drawings
        ((content_concept, content_style),) = plan.references[content].drawings
        ((model_concept, model_style),) = plan.references[model].drawings
        assert content_concept == concept != model_concept
        assert model_style == style != content_style
        orders.add(content)
    assert orders == {0, 1}


def test_of_several_references_the_one_that_is_named_gets_another_background(library):
    named = Counter()
    for plan in plans(library, 400, "recolour"):
        shown = [reference.drawings == plan.picture.drawings for reference in plan.references]
        if len(shown) > 1:
            (number,) = (int(word) for word in plan.caption.rstrip(".").split() if word.isdigit())
            assert shown[number]
            named[len(shown), number] += 1
    assert set(named) == {(count, number) for count in (2, 3, 4) for number in range(count)}


def test_references_that_are_named_stand_in_the_captions_order_and_come_in_any(library):
    words = {name: {name, *EVERYDAY.get(name, ()), *library.concepts[name].keywords} for name in TAUGHT}
    swapped = Counter()
    for plan in plans(library, 100, "beside by name"):
        (left, _), (right, _) = plan.picture.drawings
        text = plan.caption.lower()
        assert any(
            f"the {one} {link} the {other}" in text
            for one in words[left]
            for other in words[right]
            for link in ("beside", "next to")
        ), plan
        shown = [key for reference in plan.references for key in reference.drawings]
        assert sorted(shown) == sorted(plan.picture.drawings)
        swapped[shown[0] != plan.picture.drawings[0]] += 1
    assert min(swapped.values()) > 30


def test_references_put_together_keep_their_order(library):
    for plan in plans(library, 50, "together"):
        named = [int(word.strip(",.")) for word in plan.caption.split() if word.strip(",.").isdigit()]
        assert named == list(range(len(plan.references)))
        assert plan.picture.drawings == tuple(key for reference in plan.references for key in reference.drawings)


def test_what_is_on_something_stands_above_it(library):
    drawn = plans(library, 50, "on")
    assert all(len(set(plan.picture.drawings)) == 2 for plan in drawn)
    dog, house = ("dog", "fluent"), ("house", "fluent")
    stack = render_picture(Picture((dog, house), arrangement="on"), library, 512, 512)
    four = render_picture(Picture((dog, dog, house, house)), library, 512, 512)
    assert (stack[:256, 128:384] == four[:256, :256]).all()
    assert (stack[256:, 128:384] == four[256:, :256]).all()


@pytest.mark.parametrize(
    ("direction", "across", "down"), [("left", -1, 0), ("right", 1, 0), ("up", 0, -1), ("down", 0, 1)]
)
def test_what_is_moved_is_cut_off_at_the_edge(library, direction, across, down):
    house = (("house", "fluent"),)
    still, moved = (render_picture(Picture(house, arrangement=name), library, 512, 512) for name in ("", direction))
    expected = np.roll(still, (down * 128, across * 128), (0, 1))
    seen = np.s_[max(0, down) * 128 : 512 + min(0, down) * 128, max(0, across) * 128 : 512 + min(0, across) * 128]
    assert (moved[seen] == expected[seen]).all()
    rest = np.ones(moved.shape[:2], bool)
    rest[seen] = False
    assert (moved[rest] == 255).all()


def test_plurals_are_english():
    said = ("snowman", "fox", "ox", "jellyfish", "volcano", "butterfly", "monkey", "maple leaf", "mouse", "bus", "dog")
    many = ("snowmen", "foxes", "oxen", "jellyfish", "volcanoes", "butterflies", "monkeys", "maple leaves", "mice")
    assert tuple(plural(name) for name in said) == (*many, "buses", "dogs")
    eaten = {"tomato": "tomatoes", "burrito": "burritos", "kitchen knife": "kitchen knives"}
    assert {name: plural(name) for name in eaten} == eaten


def test_as_many_are_shown_as_the_caption_says(library):
    numbers = {word: number for number, words in captions.NUMBERS.items() for word in words}
    for plan in plans(library, 300, "count"):
        assert len(plan.picture.drawings) == numbers[plan.caption.lower().split()[0]]
        assert len(set(plan.picture.drawings)) == 1


def test_what_is_called_small_is_half_as_large(library):
    for plan in plans(library, 200, "size"):
        said = {word for word in plan.caption.lower().split() if word in (*captions.SMALL, *captions.LARGE)}
        small = plan.picture.arrangement == "small"
        assert small == bool(said & set(captions.SMALL)) != bool(said & set(captions.LARGE))
    dog = (("dog", "fluent"),)
    whole, small = (render_picture(Picture(dog, arrangement=name), library, 512, 512) for name in ("", "small"))
    extents = [np.ptp(np.argwhere((pixels != 255).any(axis=2)), axis=0) for pixels in (whole, small)]
    assert np.abs(extents[0] - 2 * extents[1]).max() <= 3


def test_every_style_is_as_often_what_is_restyled_to(library):
    styles = Counter(plan.picture.drawings[0][1] for plan in plans(library, 2000, "make style"))
    three = [styles[style] for style in ("fluent", "noto", "twemoji")]
    assert max(three) < 1.2 * min(three)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_becomes_pixels_of_the_size_asked_for(library, kind, reference_counts):
    (plan,) = plans(library, 1, kind)
    picture, again = (render_picture(plan.picture, library, 320, 256) for _ in range(2))
    assert picture.shape == (256, 320, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5
    assert (picture == again).all()
    assert len(plan.references) in reference_counts.get(kind, {0})


def test_two_drawings_share_the_width_and_one_is_centred(library):
    dog, rocket = ("dog face", "fluent"), ("rocket", "fluent")
    pair = render_picture(Picture((dog, rocket)), library, 512, 256)
    mirrored = render_picture(Picture((rocket, dog)), library, 512, 256)
    assert (pair[:, :256] == mirrored[:, 256:]).all()
    assert (pair[:, 256:] == mirrored[:, :256]).all()
    alone = render_picture(Picture((dog,), "red"), library, 512, 256)
    assert (alone[:, :128] == alone[0, 0]).all()
    assert (alone[:, 128:384] != alone[0, 0]).any()


@pytest.mark.parametrize(("width", "height"), [(256, 256), (512, 512), (1024, 768)])
def test_a_figure_stands_in_its_scene_moved_by_whole_tokens(library, width, height):
    scene, dog = Scene("hills", "day", "clear"), (("dog", "fluent"),)
    empty, peopled, alone = (
        render_picture(picture, library, width, height)
        for picture in (Picture((), scene), Picture(dog, scene), Picture(dog))
    )
    stood, floated = np.argwhere((empty != peopled).any(axis=2)), np.argwhere((alone != 255).any(axis=2))
    assert abs(stood[:, 0].max() - GROUND * height) <= TOKEN / 2
    moved = stood[:, 0].max() - floated[:, 0].max()
    assert min(moved % TOKEN, -moved % TOKEN) <= 1
    assert abs(stood[:, 1].min() - floated[:, 1].min()) <= 1


def test_drawings_keep_to_the_demos_tokens_and_to_the_largest_reference():
    assert find("demo").pixels_per_token == TOKEN
    assert REFERENCE_SIDE == LARGEST_CELL


def test_a_place_keeps_its_shape_at_any_time():
    day, sunset = (scene_pixels(Scene("desert", time, "clear")).astype(int) for time in ("day", "sunset"))
    edges = [np.abs(np.diff(pixels.sum(axis=2), axis=0)) > 60 for pixels in (day, sunset)]
    assert (edges[0] & edges[1])[36:].sum() > 0.4 * max(edge[36:].sum() for edge in edges)


@pytest.mark.parametrize(
    "picture",
    [
        Picture((("dog", "fluent"), ("rocket", "noto")), "pink"),
        Picture((("dog", "fluent"),), Scene("hills", "sunset", "clear")),
    ],
    ids=["on a colour", "in a scene"],
)
@pytest.mark.parametrize(("width", "height", "shrink"), [(512, 512, 2), (1024, 768, 2), (1024, 1024, 4)])
def test_a_shrunk_picture_is_the_same_at_a_glance(library, picture, width, height, shrink):
    small = render_picture(picture, library, width, height, shrink)
    assert small.shape == (height // shrink, width // shrink, 3)
    difference = np.abs(glance(small) - glance(render_picture(picture, library, width, height)))
    assert difference.mean() < 0.01  # sizes are whole pixels, so outlines move by a part of one


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (768, 1024), (1024, 1024)])
def test_a_large_frame_shows_a_thing_as_512x512_does(library, width, height):
    dog = Picture((("dog", "fluent"),), "red")
    top, left = (height - 512) // 2, (width - 512) // 2
    inner = render_picture(dog, library, width, height)[top : top + 512, left : left + 512]
    assert (inner == render_picture(dog, library, 512, 512)).all()
