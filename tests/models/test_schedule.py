"""The timesteps are those of diffusers' scheduler under BFL's empirical mu, and pinned where the formula jumps."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

from alpenglow.models.schedule import empirical_mu, timesteps
from alpenglow.weights.pipeline_folder import SCHEDULER

TOKENS = [1, 16, 192, 1024, 4096, 4300, 4301, 16384]
STEPS = [1, 4, 6, 50]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("tokens", TOKENS)
def test_every_bit_of_theirs(tokens: int, steps: int) -> None:
    """A last bit of a time is 1e-4 in the phase of the fastest sinusoid that embeds it."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(SCHEDULER)
    mu = compute_empirical_mu(tokens, steps)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    assert empirical_mu(tokens, steps) == pytest.approx(mu, rel=1e-12)  # fp64, summed in another order
    assert torch.equal(timesteps(tokens, steps), scheduler.sigmas)
    assert torch.equal(timesteps(tokens, steps)[:-1] * 1000, scheduler.timesteps)


@pytest.mark.parametrize(
    ("tokens", "mu", "expected"),
    [
        (1024, 2.03069, [1, 0.958085, 0.883982, 0.717497, 0]),
        (4096, 2.29118, [1, 0.967384, 0.908144, 0.767200, 0]),
        (4300, 2.30848, [1, 0.967925, 0.909577, 0.770275, 0]),
        (4301, 1.18470, [1, 0.907485, 0.765791, 0.521508, 0]),
        (4352, 1.19333, [1, 0.908207, 0.767336, 0.523662, 0]),
    ],
)
def test_four_steps_across_the_jump(tokens: int, mu: float, expected: list[float]) -> None:
    """Pinned to six digits of the formula in fp64."""
    assert empirical_mu(tokens, 4) == pytest.approx(mu, abs=5e-6)
    assert timesteps(tokens, 4).tolist() == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("tokens", "mu", "expected"),
    [
        (1024, 1.70196, [0.996293, 0.956405, 0.845790, 0.100664]),
        (4096, 2.02335, [0.997309, 0.968005, 0.883227, 0.133719]),
        (4300, 2.04469, [0.997366, 0.968659, 0.885410, 0.136211]),
        (4301, 1.18470, [0.993797, 0.928971, 0.765791, 0.062554]),
    ],
)
def test_fifty_steps_across_the_jump(tokens: int, mu: float, expected: list[float]) -> None:
    """Pinned to six digits of the formula in fp64, at steps 1, 10, 25 and 49."""
    times = timesteps(tokens, 50)
    assert empirical_mu(tokens, 50) == pytest.approx(mu, abs=5e-6)
    assert times[[1, 10, 25, 49]].tolist() == pytest.approx(expected, abs=6e-7)
    assert (times[0], times[-1]) == (1, 0)
    assert (times.diff() < 0).all()
