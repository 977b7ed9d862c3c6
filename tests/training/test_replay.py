"""Steps that are recorded do what they do when they run as they come."""

import numpy as np
import pytest
import torch

from alpenglow.engine.graphs import capture_on_cuda
from alpenglow.training.batches import Batch
from alpenglow.training.fit_flow import FlowLearner, inputs_of
from alpenglow.training.replay import Replayed

CHANNELS, LENGTH = 4, 6


def test_a_step_is_recorded_when_its_shapes_come_again():
    total, ran, captured = torch.zeros(()), [], []

    def step(inputs):
        ran.append(inputs)
        total.add_(inputs[0].sum())
        return total * 1

    def capture(run):
        captured.append(run)
        output = torch.zeros(())
        return (lambda: output.copy_(run())), output

    take = Replayed(step, capture)
    sums = [
        take((torch.full((size,), float(value)),)).item() for size, value in [(2, 1), (2, 2), (3, 1), (2, 3), (3, 4)]
    ]
    assert sums == [2, 6, 9, 15, 27]  # each ran once, recorded or not
    assert len(captured) == 2
    assert ran[1][0] is ran[3][0]  # what is recorded reads the same memory every time


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_recorded_training_steps_learn_what_others_do(small_flow):
    """Batches of two sizes, with and without references, one step and four, more words than the small embedding path
    takes: each comes several times.
    """
    shapes = [(160, 2, 0, 1), (8, 4, 1, 4), (16, 2, 2, 1)]

    def batch(rng, rows, side, references):
        ids = torch.from_numpy(rng.integers(1, 200, (rows + 1, LENGTH)))
        mask = torch.arange(LENGTH) < torch.from_numpy(rng.integers(1, LENGTH + 1, (rows + 1, 1)))
        pictures = [
            torch.from_numpy(rng.standard_normal((rows, CHANNELS, side, side))).float() for _ in range(references + 1)
        ]
        return Batch(ids, mask, pictures[0], pictures[1:], np.zeros((rows, 1), np.int16))

    def curve(recorded):
        torch.manual_seed(0)
        learner = FlowLearner(small_flow(CHANNELS), torch.ones(CHANNELS), 2e-3, "cuda")
        take = Replayed(learner, capture_on_cuda(warm_ups=0)) if recorded else learner
        found = []
        for turn in range(24):
            rows, side, references, steps = shapes[turn % 3]
            rng = np.random.default_rng(turn)
            learner.at((turn + 1) / 24)
            given = inputs_of(learner.module, batch(rng, rows, side, references), rng, steps, 0.1)
            found.append(take(given).item())
        return np.array(found), torch.cat([p.detach().flatten() for p in learner.module.parameters()])

    (plain, before), (replayed, after) = curve(recorded=False), curve(recorded=True)
    assert not np.allclose(plain[:3], plain[-3:], rtol=0.01)  # it moved
    np.testing.assert_allclose(replayed, plain, rtol=0.01)
    assert (after - before).abs().mean() < 2e-4  # twenty steps of some 1e-3; bf16 sums in another order
