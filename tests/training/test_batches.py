"""Plans as arrays, and batches drawn from them: what a step of training sees is what its captions say."""

import numpy as np
import pytest
import torch

from alpenglow.training.batches import SAID, Part, draw_plans, draw_sayings, encoded, numbered, rows
from alpenglow.training.compose import NOTHING
from alpenglow.training.curriculum import CURRICULUM
from alpenglow.training.examples import KINDS, SCENIC, Sampler
from alpenglow.training.pixels import SCENE_FRAMES

SUBJECTS = Part(1.0, {"subject": 1.0}, {(256, 256): 1.0})


def test_plans_become_numbers_and_nothing_is_lost(few, tokenizer):
    sampler, rng = Sampler(few), np.random.default_rng(0)
    drawn, keys = [sampler.plan(rng) for _ in range(200)], list(few.drawings)
    plans = numbered(drawn, [f"Please, {plan.caption}" for plan in drawn], few, tokenizer)
    for i, plan in enumerate(drawn):
        assert tuple(keys[n] for n in plans.drawings[i] if n != NOTHING) == plan.picture.drawings
        assert [keys[n] for n in plans.references[i] if n != NOTHING] == [one.drawings[0] for one in plan.references]
        ids, mask = tokenizer.encode([plan.caption, f"Please, {plan.caption}"])
        assert (plans.plain[i] == ids[0].numpy()).all()
        assert (plans.plain_mask[i] == mask[0].numpy()).all()
        assert (plans.said[i] == ids[1].numpy()).all()
        assert (plans.said_mask[i] == mask[1].numpy()).all()


def test_what_is_too_long_is_said_plainly(tokenizer):
    found = encoded([("a dog, hd", "a dog"), ("a very" + " old" * 60 + " dog", "a dog")], tokenizer)
    assert not found.said_mask.all(1).any()
    assert [torch.equal(found.said[i], found.plain[i]) for i in range(2)] == [False, True]
    assert torch.equal(found.said_mask[1], found.plain_mask[1])


def test_some_pictures_are_asked_for_as_captions_are_said(few, rewrite, deck, demo_files):
    plans = draw_plans(few, rewrite, demo_files.tokenizer, 32, {"subject": 1}, 0)["subject"]
    plain, said = ({tuple(ids) for ids in some.tolist()} for some in (plans.plain, plans.said))
    asked = [
        tuple(ids)
        for seed in range(20)
        for ids in deck.draw(np.random.default_rng(seed), 16, [SUBJECTS]).ids[:-1].tolist()
    ]
    otherwise = np.mean((plans.plain != plans.said).any(1))
    assert set(asked) <= plain | said
    assert 0.5 * SAID * otherwise < np.mean([ids not in plain for ids in asked]) < 1.5 * SAID * otherwise


def test_sayings_are_of_kinds_by_their_weights(few, rewrite, tokenizer, demo_files):
    plans = draw_plans(few, rewrite, demo_files.tokenizer, 32, {"pair": 1, "count": 1, "on": 1}, 0)
    found = draw_sayings(plans, {"pair": 3.0, "count": 1.0}, np.random.default_rng(0), 400)
    of = {kind: {tuple(ids) for ids in plans[kind].plain.tolist()} for kind in plans}
    asked = [tuple(ids) for ids in found.plain.tolist()]
    assert len(asked) == len(found.said) == 400
    assert 250 < sum(ids in of["pair"] for ids in asked) < 350
    assert all(ids in of["pair"] | of["count"] for ids in asked)
    assert 0 < (found.said != found.plain).any(1).float().mean() < 1


def test_plans_follow_from_the_seed(few, rewrite, demo_files):
    first, again, other = (
        draw_plans(few, rewrite, demo_files.tokenizer, 32, {"pair": 1}, seed)["pair"] for seed in (0, 0, 1)
    )
    assert (first.said == again.said).all()
    assert (first.said != other.said).any()


def test_the_curriculum_shows_scenes_where_they_are_rendered():
    for part in (part for stage in CURRICULUM for part in stage.parts):
        assert set(part.kinds) <= set(KINDS)
        assert not SCENIC & set(part.kinds) or set(part.frames) <= set(SCENE_FRAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_has_a_kinds_pictures_and_references(deck, kind, reference_counts):
    batch = deck.draw(np.random.default_rng(0), 8, [Part(1.0, {kind: 1.0}, {(512, 512): 1.0})])
    size = len(batch.latents)
    assert size == rows(8, 64) * 2 // max(2, len(batch.references))
    assert batch.latents.shape == (size, 1, 8, 8)
    assert batch.ids.shape == batch.mask.shape == (size + 1, 32)
    assert len(batch.references) in reference_counts.get(kind, {0})
    assert all(one.shape[2] in {4, 8} for one in batch.references)


def test_kinds_and_frames_come_by_their_weights_and_where_they_fit(deck):
    parts = [
        Part(0.5, {"pair": 1.0, "subject": 1.0}, {(768, 1024): 1.0}),
        Part(0.5, {"pair": 1.0, "restyle": 3.0}, {(256, 256): 1.0}),
    ]
    shapes = [batch_shape(deck.draw(np.random.default_rng(seed), 4, parts)) for seed in range(200)]
    tall = [shape for shape in shapes if shape[:2] == (16, 12)]
    small = [shape for shape in shapes if shape[:2] == (4, 4)]
    assert len(tall) + len(small) == 200
    assert 70 < len(tall) < 130
    assert not any(count for *_, count in tall)  # two things have no room there: subjects alone
    assert 0.6 < sum(count == 2 for *_, count in small) / len(small) < 0.9


def batch_shape(batch):
    return (*batch.latents.shape[2:], len(batch.references))


def test_a_white_reference_is_white_around_its_drawing(deck):
    batch = deck.draw(np.random.default_rng(1), 16, [Part(1.0, {"place": 1.0}, {(256, 256): 1.0})])
    (reference,) = batch.references
    assert reference.max() <= 1.0001
    assert reference[:, 0, 0, 0].mean() > 0.9  # the corner


def test_plans_are_drawn_by_the_weight_of_what_they_show(deck, few):
    keys, weights = list(few.drawings), np.zeros(len(few.drawings))
    wanted = [keys.index(("dog", "fluent")), keys.index(("cat", "noto"))]
    weights[wanted] = 3.0, 1.0
    parts = [Part(1.0, {"subject": 1.0}, {(256, 256): 1.0})]
    before = deck.draw(np.random.default_rng(0), 64, parts).drawings[:, 0]
    assert len(set(before)) > 8
    deck.focus({"subject": weights})
    shown = np.concatenate([deck.draw(np.random.default_rng(seed), 64, parts).drawings[:, 0] for seed in range(20)])
    deck.focus({})
    assert set(shown) == set(wanted)
    # By chance alone a dog in fluent style comes 1.7 times as often as a cat in noto.
    assert 0.75 < (shown == wanted[0]).mean() < 0.9
    assert np.array_equal(deck.draw(np.random.default_rng(0), 64, parts).drawings[:, 0], before)
