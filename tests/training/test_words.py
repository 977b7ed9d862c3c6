"""Other words: where they come from, what they come to, captions that use them, and an encoder that learns them."""

from collections import Counter

import numpy as np
import pytest
import torch

from alpenglow.training import meanings
from alpenglow.training.captions import COLOURS, countable, everyday_words, plural
from alpenglow.training.common_words import common_words
from alpenglow.training.examples import KINDS, TAUGHT, Sampler
from alpenglow.training.fit_words import (
    AFTER,
    NOTHING,
    Alignment,
    WordsPlan,
    begin_words,
    difference,
    fit_words,
    importance,
    targets,
)
from alpenglow.training.run import Run
from alpenglow.training.vocabulary import added_words
from alpenglow.training.wordings import TELLING, Phrase, Rewriter, fillers, links, spelled
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
def around(packages, nouns, common):
    return fillers(adjectives(packages), nouns, common)


@pytest.fixture(scope="module")
def rewriter(taught, words, around):
    return Rewriter(taught, words, around)


def said(phrases):
    return "".join(phrase.said for phrase in phrases)


def meant(phrases):
    return "".join(phrase.meant for phrase in phrases)


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
    assert {"old", "freshly"} <= set(around.describing)
    assert {"galloping", "perched"} <= set(around.doing)
    assert {"sofa", "fence"} <= set(around.things)
    assert not TELLING & {*around.describing, *around.doing, *around.things}


def test_adjectives_are_common_single_words(packages):
    found = adjectives(packages)
    assert {"old", "beautiful", "lazy"} <= set(found)
    assert 3_000 < len(found) < 6_000
    assert not [word for word in found if not word.isalpha() or word != word.lower()]


def test_a_word_means_what_it_is_a_kind_of(taught, nouns):
    asked = {"corgi": "dog", "sedan": "automobile", "espresso": "hot beverage", "wall": None}
    called = everyday_words(taught.concepts)
    assert {word: meanings.kind_of(nouns[word], called) for word in asked} == asked


def test_another_word_means_the_nearest_thing_or_none(taught, nouns):
    asked = {"yacht": "sailboat", "canoe": "sailboat", "locomotive": "train", "cheetah": "lion", "insect": "mosquito"}
    nothing = ("wall", "sidewalk", "telephone", "horseradish", "cowling")  # the last two have only letters in common
    found = meanings.nearest(meanings.SentenceEncoder(), (*asked, *nothing), taught, nouns)
    assert found == asked


def test_what_is_said_for_a_thing_anyway_means_that_thing(taught):
    known = dict(meanings.known_words(taught.concepts.values()))
    assert known["car"] == "automobile"
    assert known["kitten"] == "cat"  # and not the cat face, which is no favourite
    assert "cancer" not in known
    assert "female" not in known


def test_adjectives_are_no_words_for_a_thing(few, nouns):
    asked = {noun: nouns[noun] for noun in ("corgi", "sidewalk", "kitten")}
    known = {"corgi": "dog", "dogs": "dog", "kitten": "cat", "cats": "cat", "rockets": "rocket"}
    assert meanings.meanings(few, asked, []) == known | {"launch": "rocket"}
    assert meanings.meanings(few, asked, ["launch", "kitten"]) == known  # a noun all the same


def test_the_sentence_encoder_puts_like_beside_like():
    vectors = meanings.SentenceEncoder()(["a dog", "a puppy", "a bridge"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_a_caption_means_itself_however_it_is_said(rewriter, library, taught, words):
    """What is meant is what the sampler wrote, up to which thing; what is said uses the words and the fillers."""
    sampler, seen, fillers = Sampler(library), Counter(), 0
    for seed in range(1_500):
        rng = np.random.default_rng(seed)
        plan = sampler.plan(rng, list(KINDS)[seed % len(KINDS)])
        phrases = rewriter(plan, rng)
        assert "  " not in said(phrases)
        assert said(phrases).endswith(".") == plan.caption.endswith(".")
        if plan.references and plan.kind != "beside by name":
            assert meant(phrases) == plan.caption
        for phrase in phrases:
            word = phrase.said.strip().lower()
            if word in words:
                assert phrase.meant.strip().lower() == words[word]
                seen[word] += 1
            fillers += bool(phrase.said) and not phrase.meant
    assert set(seen) == set(words)
    assert fillers > 500


def test_articles_and_plurals_follow_what_is_said(rewriter, library, words):
    sampler, found = Sampler(library), set()
    for seed in range(4_000):
        rng = np.random.default_rng(seed)
        phrases = rewriter(sampler.plan(rng, ["subject", "count"][seed % 2]), rng)
        found.add(said(phrases).lower())
        several = {"automobiles", "monkeys"} & {phrase.meant.strip().lower() for phrase in phrases}
        assert seed % 2 or not several  # not even where "a fish" stood, which is its own plural
    texts = " / ".join(found)
    assert " an ape" in texts
    assert " a ape" not in texts
    assert " oats" in texts
    assert " a oats" not in texts
    assert " labradors" in texts
    assert " oatss" not in texts


def test_words_that_change_the_picture_are_no_fillers(rewriter, library):
    sampler = Sampler(library)
    for seed in range(2_000):
        rng = np.random.default_rng(seed)
        for phrase in rewriter(sampler.plan(rng, "subject"), rng):
            assert phrase.meant or phrase.said.strip().lower() not in TELLING - set(COLOURS)


def test_phrases_are_joined_by_blanks_before_words_alone():
    parts = [Phrase("draw", ""), Phrase("an", "a"), Phrase("owl", "dog"), Phrase(", 4k", ""), Phrase(".", ".")]
    assert [phrase[:2] for phrase in spelled(parts, capital=True)] == [
        ("Draw", ""),
        (" an", "A"),
        (" owl", " dog"),
        (", 4k", ""),
        (".", "."),
    ]


def test_what_links_two_things_says_nothing_by_itself(tokenizer):
    parts = [("a cat", False), ("beside", True), ("a car", False)]
    assert [(phrase.said, phrase.silent) for phrase in links("a cat beside a car", "pair")] == parts
    assert not any(phrase.silent for phrase in links("and style it like image 1", "restyle"))
    _, _, (places,) = Alignment(tokenizer)([[Phrase("a cat", "a cat"), Phrase(" beside", " beside", silent=True)]])
    assert places[:6].tolist() == [0, 1, 2, NOTHING, 4, 5]


def test_phrases_are_aligned_at_their_ends(tokenizer):
    plain = [Phrase("a dog, noto style", "a dog, noto style")]
    other = [Phrase("a photo of", ""), Phrase(" a", "a"), Phrase(" giraffe", " dog"), Phrase(", noto", ", noto")]
    (ids, mask), (meant_ids, meant_mask), places = Alignment(tokenizer)([plain, other])
    assert places[0].tolist() == list(range(32))
    length, wanted = int(mask[1].sum()), int(meant_mask[1].sum())
    silent = length - wanted
    assert silent >= 3
    kept = places[1] != NOTHING
    assert (~kept).sum() == silent
    assert places[1][kept].tolist() == list(range(32 - silent))
    changed = (ids[1][kept] != meant_ids[1][places[1][kept]]).nonzero().flatten().tolist()
    assert changed == [1, 2]  # " a" within, "a" at the start; and the giraffe's last piece for the dog


def test_what_is_too_long_ends_where_the_tokens_do(tokenizer):
    (ids, _), _, places = Alignment(tokenizer)(
        [[Phrase("very", ""), *[Phrase(" very", "")] * 60, Phrase(" dog", "dog")]]
    )
    assert places.shape == ids.shape == (1, 32)
    assert places[0].tolist() == [0] + [NOTHING] * 31


def test_targets_are_states_or_silence():
    states = torch.arange(6.0).view(1, 3, 2)
    found = targets(states, torch.tensor([[0, NOTHING, 1]]), torch.tensor([-1.0, -2.0]))
    assert found.tolist() == [[[0, 1], [-1, -2], [2, 3]]]


def test_what_comes_after_all_words_counts_more():
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    weights = importance(mask)
    assert weights.tolist() == [[1, 1, AFTER, AFTER], [1, AFTER, AFTER, AFTER]]
    wanted = torch.ones(2, 4, 3)
    assert difference(wanted, wanted, torch.eye(3), weights) == 0
    assert difference(0 * wanted, wanted, torch.eye(3), weights) == 1
    words, after = (torch.where((weights == AFTER)[..., None] == late, 0.0, wanted) for late in (False, True))
    assert difference(after, wanted, torch.eye(3), weights) > difference(words, wanted, torch.eye(3), weights)


def test_an_own_entry_begins_as_what_it_means(small_flow, tokenizer, demo_files):
    encoder, entries = small_flow(4).text_encoder, dict(added_words(demo_files.tokenizer))
    asked = [(word, entries[word]) for word in ("puppy", "carry")]
    begin_words(encoder, tokenizer, asked, {"puppy": "dog"})
    embeddings = encoder.model.embed_tokens.weight
    ids, mask = tokenizer.encode(["a dog"])
    assert torch.equal(embeddings[entries["puppy"]], embeddings[ids[0, mask.sum() - 2]])
    assert torch.equal(embeddings[entries["carry"]], embeddings[ids[0, -1]])


def test_an_encoder_learns_other_words_and_keeps_what_it_knows(small_flow, tokenizer, tmp_path):
    """To begin with it tells a spaniel from a dog; after some steps it says of either what it said of a dog."""
    torch.manual_seed(0)
    flow = small_flow(4)
    words = {"spaniel": "dog", "kitten": "cat", "spaceship": "rocket"}

    def state_of(word):
        ids, mask = tokenizer.encode([f"a {word}"])
        return flow.text_encoder(ids, mask)[0, mask.sum() - 2].detach()  # of the word's last piece

    before = {name: state_of(name) for name in words.values()}

    def relative(state, wanted):
        return ((state - wanted).square().mean() / wanted.square().mean()).item()

    def wrong(said):
        return max(relative(state_of(word), before[name]) for word, name in said.items())

    def draw(rng):
        word, name = list(words.items())[int(rng.integers(3))]
        end = " on a blue background" if rng.random() < 0.7 else ", noto style"
        return [Phrase("a", "a"), Phrase(f" {word if rng.random() < 0.6 else name}", f" {name}"), Phrase(end, end)]

    plain = {name: name for name in words.values()}
    unknown = wrong(words)
    plan = WordsPlan(steps=250, batch=16, learning_rate=5e-3, averaging=0.95, keep=0.0, kinds={})
    fit_words(flow, draw, tokenizer, Run(tmp_path), plan)
    assert unknown > 0.5
    assert wrong(words) < 0.05
    assert wrong(plain) < 0.05
    assert Run(tmp_path).steps_done == 250


def test_plurals_that_captions_use_can_be_found_again(taught):
    plurals = [plural(name) for name, concept in taught.concepts.items() if countable(concept)]
    assert len(set(plurals)) == len(plurals)
