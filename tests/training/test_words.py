"""Other words: where they come from, what they come to, captions that use them, and an encoder that learns them."""

import copy
import re
from collections import Counter

import numpy as np
import pytest
import torch

from alpenglow.catalogue import find
from alpenglow.training import meanings, wordings, wordnet
from alpenglow.training.batches import encoded
from alpenglow.training.common_words import common_words
from alpenglow.training.examples import KINDS, TAUGHT, Sampler
from alpenglow.training.fit_words import (
    FRAMES,
    PROBES,
    WordsPlan,
    begin_words,
    difference,
    fit_words,
    probes_of,
    velocities,
)
from alpenglow.training.names import countable, everyday_words, plural
from alpenglow.training.run import Run
from alpenglow.training.vocabulary import added_words
from alpenglow.training.wordings import LINKS, MEASURES, TELLING, Fillers, Rewriter, fillers, linked_by, things_in
from alpenglow.training.wordnet import adjectives, picturable_nouns


@pytest.fixture(scope="module")
def nouns(packages):
    return picturable_nouns(packages)


@pytest.fixture(scope="module")
def taught(library):
    return library.only(TAUGHT)


@pytest.fixture(scope="module")
def words():
    return {
        "labrador": "dog",
        "ape": "monkey",
        "sedan": "automobile",
        "fire truck": "fire engine",
        "oats": "sheaf of rice",
    }


@pytest.fixture(scope="module")
def common(packages):
    return common_words(packages)


@pytest.fixture(scope="module")
def around(packages, common):
    return fillers(adjectives(packages), wordnet.nouns(packages), common)


@pytest.fixture(scope="module")
def rewriter(taught, words, around):
    return Rewriter(taught, words, around)


def test_nouns_are_things_by_their_first_meaning(nouns):
    assert 20_000 < len(nouns) < 30_000
    assert nouns["tank"].definition == "an enclosed armored military vehicle"
    assert {"beagle", "golden retriever", "oak", "cheeseburger", "motorcycle"} <= nouns.keys()
    assert not {"justice", "soldier", "woman", "human", "human being", "paris", "genus felis"} & nouns.keys()


def test_a_noun_knows_what_is_broader_nearest_first(nouns):
    broader = nouns["beagle"].broader
    assert broader.index("beagle") < broader.index("hound") < broader.index("dog") < broader.index("animal")
    assert "automobile" in nouns["motorcar"].broader[:4]  # the same meaning by another word
    assert "cat" not in nouns["whip"].broader  # a cat-o'-nine-tails, which is not what cat means first


def test_words_are_common_by_degrees(common):
    assert common["dog"] < common["kayak"] < common["corgi"]
    assert 60_000 < len(common) < 100_000
    assert {"kittens", "colour", "color"} <= common.keys()
    assert not [word for word in common if not word.isalpha() or word != word.lower()]


def test_fillers_make_no_difference(around):
    describing, doing, things = ({word for tier in tiers for word in tier} for tiers in around)
    assert {"old", "freshly"} <= describing
    assert {"galloping", "perched"} <= doing
    assert {"shed", "fence"} <= things
    assert not TELLING & (describing | doing | things)


def test_common_fillers_are_said_oftener(around, taught, common):
    rewriter, sampler, said = Rewriter(taught, {}, around), Sampler(taught), []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        plan = sampler.plan(rng, "subject")
        said += set(re.findall("[a-z]+", rewriter(plan, rng))) - set(re.findall("[a-z]+", plan.caption))
    rarer, commoner = (sum(low < common.get(word, 99) <= high for word in said) for low, high in ((35, 50), (0, 20)))
    assert commoner > 4 * rarer > 0


def test_adjectives_are_common_single_words(packages):
    found = adjectives(packages)
    assert {"old", "beautiful", "lazy"} <= set(found)
    assert 3_000 < len(found) < 6_000
    assert not [word for word in found if not word.isalpha() or word != word.lower()]


def test_nouns_of_any_kind_are_said_around_a_thing(packages, around):
    found = wordnet.nouns(packages)
    assert {"justice", "soldier", "invitation", "fence"} <= set(found)
    assert not [word for word in found if not word.isalpha() or word != word.lower()]
    assert {"justice", "soldier", "invitation", "fence"} <= {word for tier in around.things for word in tier}


def test_a_word_means_what_it_is_a_kind_of(taught, nouns):
    asked = {"corgi": "dog", "sedan": "automobile", "espresso": "hot beverage", "wall": None}
    called = everyday_words(taught.concepts)
    assert {word: meanings.kind_of(nouns[word], called) for word in asked} == asked


def test_another_word_means_the_nearest_thing_or_none(taught, nouns):
    asked = {"yacht": "sailboat", "banjo": "guitar", "cheetah": "lion", "insect": "mosquito"}
    nothing = ("wall", "sidewalk", "horseradish", "cowling")  # the last two have only letters in common
    found = meanings.nearest(meanings.SentenceEncoder(), (*asked, *nothing), taught, nouns)
    assert found == asked


def test_what_is_said_for_a_thing_anyway_means_that_thing(taught, nouns):
    known = dict(meanings.known_words(taught.concepts.values(), nouns, {"female"}))
    assert known["car"] == "automobile"
    assert known["kitten"] == "cat"  # and not the cat face, which is no favourite
    assert "cancer" not in known
    assert "female" not in known


def test_adjectives_are_no_words_for_a_thing(few, nouns):
    asked = {noun: nouns[noun] for noun in ("corgi", "sidewalk", "kitten")}
    known = {"corgi": "dog", "dogs": "dog", "kitten": "cat", "kitty": "cat", "cats": "cat", "rockets": "rocket"}
    assert meanings.meanings(few, asked, []) == known | {"launch": "rocket"}
    assert meanings.meanings(few, asked, ["launch", "kitten"]) == known  # a noun all the same


def test_the_sentence_encoder_puts_like_beside_like():
    vectors = meanings.SentenceEncoder()(["a dog", "a puppy", "a bridge"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_a_caption_means_itself_however_it_is_said(rewriter, library, words, monkeypatch):
    """Whatever is said, it calls what the picture shows by its names or other words for it, unless another thing stands
    before a thing, which is for another test.
    """
    monkeypatch.setattr(wordings, "COMPOUND", 0.0)
    sampler, seen, other = Sampler(library.only({*words.values()})), Counter(), 0
    for seed in range(1_500):
        rng = np.random.default_rng(seed)
        plan = sampler.plan(rng, list(KINDS)[seed % len(KINDS)])
        said = rewriter(plan, rng)
        assert "  " not in said
        assert said.endswith(".") == plan.caption.endswith(".")
        assert said[0].isupper() == plan.caption[0].isupper() or not said[0].isalpha()
        if plan.references and plan.kind != "beside by name":
            kept = plan.caption.lower().removesuffix(".")
            assert kept in said.lower() or "background" in kept
        for word, name in words.items():
            if re.search(rf"\b{word}\b", said.lower()) and word not in plan.caption.lower():
                assert name in {name for name, _ in plan.picture.drawings}
                seen[word] += 1
        other += said != plan.caption
    assert set(seen) == set(words)
    assert 0.4 < other / 1_500 < 0.75


def test_two_things_that_share_words_are_told_apart():
    found = [match[0] for match in things_in(("cat", "black cat")).finditer("a black cat beside a cat")]
    assert found == ["a black cat", "a cat"]


def test_articles_and_plurals_follow_what_is_said(rewriter, library, words):
    sampler, found = Sampler(library.only({*words.values()})), set()
    for seed in range(1_000):
        rng = np.random.default_rng(seed)
        found.add(rewriter(sampler.plan(rng, ["subject", "count"][seed % 2]), rng).lower())
    texts = " / ".join(found)
    assert " an ape" in texts
    assert " a ape" not in texts
    assert " oats" in texts
    assert " a oats" not in texts
    assert " labradors" in texts
    assert " oatss" not in texts


def test_a_thing_may_be_measured_or_have_another_before_it(taught, words):
    """Without fillers all that comes before a dog is another thing, mostly whose it is, or how much of it."""
    rewriter, sampler = Rewriter(taught, words, Fillers((("old",),), (("sitting",),), (("fence",),))), Sampler(taught)
    said = []
    for seed in range(2_000):
        rng = np.random.default_rng(seed)
        said.append(rewriter(sampler.plan(rng, "subject"), rng).lower())
    assert 20 < sum(any(f"{measure} " in text for measure in MEASURES) for text in said) < 120
    assert 20 < sum("'s " in text for text in said) < 120
    assert "a slice of a " not in " / ".join(said)


@pytest.mark.parametrize("kind", ["pair", "on"])
def test_two_things_are_put_together_in_many_words(rewriter, library, kind):
    sampler = Sampler(library)
    links = [f" {link} " for link in LINKS[kind][1]]
    plans = [(sampler.plan(rng, kind), rng) for rng in map(np.random.default_rng, range(400))]
    said = [rewriter(plan, rng) for plan, rng in plans]
    assert not any(link in plan.caption for plan, _ in plans for link in links)
    assert 0.25 < np.mean([any(link in text for link in links) for text in said]) < 0.45


def test_a_link_within_a_name_is_none():
    rng, link = np.random.default_rng(0), LINKS["pair"]
    for text in ("a fork and knife and a squid", "a squid and a fork and knife"):
        said = linked_by(text, link, ("fork and knife", "squid"), rng)
        assert "fork and knife" in said
        assert said != text
    assert linked_by("a fork and knife", link, ("fork and knife",), rng) == "a fork and knife"


def test_what_means_something_stands_around_nothing(few, around):
    tiers = Fillers(*([[*tier, "binoculars"] for tier in tiers] for tiers in around))
    sampler, said = Sampler(few), Rewriter(few, {}, tiers, {"binoculars"})
    plans = [(sampler.plan(rng, "subject"), rng) for rng in map(np.random.default_rng, range(300))]
    assert not any("binoculars" in said(plan, rng) for plan, rng in plans)


def test_probes_are_where_pictures_have_tokens(small_flow):
    transformer = small_flow(4).transformer
    found = [probes_of(transformer, np.random.default_rng(seed), 3, 32) for seed in range(8)]
    assert {tuple(one.noise.shape) for one in found} == {(3, PROBES, 4)}
    assert {one.rotary.shape[1] for one in found} == {32 + PROBES}
    again = probes_of(transformer, np.random.default_rng(0), 3, 32)
    assert torch.equal(found[0].noise, again.noise)
    assert all(torch.equal(one.noise[0], one.noise[-1]) for one in found), "captions differ by what they say alone"
    assert {side * find("demo").pixels_per_token for side in FRAMES} == {256, 512, 1024}
    assert not torch.equal(found[0].rotary[:, 32:], found[1].rotary[:, 32:])


def test_a_difference_is_measured_in_that_between_captions():
    wanted, weights = torch.randn(6, 5, 3), torch.tensor([1.0, 2.0, 0.5])
    assert difference(wanted, wanted, weights) == 0
    torch.testing.assert_close(difference(wanted.mean(0).expand_as(wanted), wanted, weights), torch.tensor(1.0))


def test_an_own_entry_begins_as_what_it_means(small_flow, tokenizer, demo_files):
    encoder, entries = small_flow(4).text_encoder, dict(added_words(demo_files.tokenizer))
    asked = {word: entries[word] for word in ("puppy", "carry")}
    begin_words(encoder, tokenizer, asked, {"puppy": "dog"})
    embeddings = encoder.model.embed_tokens.weight
    ids, mask = tokenizer.encode(["a dog"])
    assert torch.equal(embeddings[entries["puppy"]], embeddings[ids[0, mask.sum() - 2]])
    assert torch.equal(embeddings[entries["carry"]], embeddings[ids[0, -1]])


def test_an_encoder_learns_other_words_and_keeps_what_it_knows(small_flow, tokenizer, tmp_path):
    """To begin with a spaniel comes to something else than a dog; after some steps either comes to what a dog did."""
    torch.manual_seed(0)
    flow = small_flow(4)
    for parameter in flow.transformer.parameters():  # one that has learned nothing says the same of everything
        torch.nn.init.normal_(parameter, std=0.15)
    before = copy.deepcopy(flow)
    words = {"spaniel": "dog", "kitten": "cat", "spaceship": "rocket"}
    ends = (" on a blue background", ", noto style")

    def wrong(said):
        """How far the pictures' first step is from that of what is meant, in parts of that between those."""
        sayings = [(f"a {word}{end}", f"a {name}{end}") for word, name in said.items() for end in ends]
        some = encoded(sayings, tokenizer)
        probes = probes_of(flow.transformer, np.random.default_rng(1), *some.said.shape)
        with torch.no_grad():
            found = velocities(flow.transformer, flow.text_encoder(some.said, some.said_mask), probes)
            wanted = velocities(before.transformer, before.text_encoder(some.plain, some.plain_mask), probes)
        return difference(found, wanted, torch.ones(4)).item()

    def saying(rng):
        word, name = list(words.items())[int(rng.integers(3))]
        end = ends[int(rng.integers(2))]
        return f"a {word if rng.random() < 0.6 else name}{end}", f"a {name}{end}"

    def draw(rng, count):
        return encoded([saying(rng) for _ in range(count)], tokenizer)

    unknown = wrong(words)
    plan = WordsPlan(steps=300, batch=16, learning_rate=5e-3, averaging=0.9, kinds={})
    fit_words(flow, draw, torch.ones(4), Run(tmp_path), plan)
    assert unknown > 0.3
    assert wrong(words) < 0.1 * unknown
    assert wrong({name: name for name in words.values()}) < 0.1 * unknown
    assert all(
        torch.equal(p, q) for p, q in zip(flow.transformer.parameters(), before.transformer.parameters(), strict=True)
    )
    assert flow.transformer.img_in.weight.requires_grad
    assert Run(tmp_path).steps_done == 300


def test_plurals_that_captions_use_can_be_found_again(taught):
    plurals = [plural(name) for name, concept in taught.concepts.items() if countable(concept)]
    assert len(set(plurals)) == len(plurals)
