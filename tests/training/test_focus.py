"""What is still wrong is shown more often, within bounds."""

import numpy as np
import torch

from alpenglow.training.batches import Part
from alpenglow.training.focus import FOCUSED, FRAMES, LEAST, MOST, focus, relative


def test_weights_follow_the_error_within_bounds():
    errors, looks = np.array([100.0, 10.0, 1.0, 0.0, 0.0, 0.0]), np.array([10.0, 10.0, 10.0, 10.0, 10.0, 0.0])
    weights = relative(errors, looks)
    assert weights[0] == MOST
    assert weights[1:5].tolist() == sorted(weights[1:5], reverse=True)
    assert weights[4] == LEAST
    assert weights[5] == 1.0  # never looked at


def test_one_look_counts_less_than_many():
    """Each time twice the mean error was found."""
    (once, _), (often, _) = (
        relative(looks * [2.0, 1.0], looks) for looks in (np.array([1, 1e6]), np.array([100, 1e6]))
    )
    assert 1.4 < once < 1.6
    assert 1.9 < often < 2


def lightness(deck, drawings):
    """The mean square of the latents of what each drawing is seen in, (drawings,)."""
    total, looks, rng = np.zeros(drawings), np.zeros(drawings), np.random.default_rng(7)
    for _ in range(20):
        batch = deck.draw(rng, 128, [Part(1.0, {"subject": 1.0}, FRAMES)])
        np.add.at(total, batch.drawings[:, 0], batch.latents.square().mean((1, 2, 3)).numpy())
        np.add.at(looks, batch.drawings[:, 0], 1)
    return total / looks


def test_a_flow_is_shown_more_of_what_it_draws_worst(small_flow, deck, few):
    """To a flow that always says zero the error is 1 + the mean square of the latents: light things are worst."""
    level = np.ones(len(few.drawings))
    found, leaning = (focus(small_flow(1), deck, by, torch.ones(1)) for by in (level, 2 * level))
    assert set(found) == set(FOCUSED)
    assert all(((weights >= LEAST) & (weights <= MOST)).all() for weights in found.values())
    assert np.corrcoef(found["subject"], lightness(deck, len(few.drawings)))[0, 1] > 0.5
    np.testing.assert_array_equal(leaning["subject"], 2 * found["subject"])
    np.testing.assert_array_equal(leaning["pair"], found["pair"])
