"""Steps are those of diffusers' Euler scheduler; guidance is the linear extrapolation, a strength for each row."""

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from alpenglow.models.sampler import euler_step, guided
from alpenglow.weights.pipeline_folder import SCHEDULER
from oracles import normal

SHAPE = (2, 6, 4)


def swirl(x: Tensor, t: Tensor) -> Tensor:
    """A velocity that depends on place and time."""
    return x.roll(1, -1) * t.view(-1, 1, 1) - 0.3 * x


def test_every_bit_of_their_steps() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(SCHEDULER)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / 4, 4), mu=2.0307)
    ours = theirs = normal(*SHAPE)
    for step, t in enumerate(scheduler.timesteps):
        now, then = (scheduler.sigmas[step + k].expand(2) for k in (0, 1))
        ours = euler_step(ours, swirl(ours, now), now, then)
        theirs = scheduler.step(swirl(theirs, now), t, theirs, return_dict=False)[0]
        assert torch.equal(ours, theirs)


def test_steps_are_taken_in_fp32() -> None:
    x, v, t = normal(*SHAPE).bfloat16(), normal(*SHAPE, seed=1).bfloat16(), torch.ones(2)
    assert torch.equal(euler_step(x, v, t, t - 0.1), euler_step(x.float(), v.float(), t, t - 0.1))


def test_guidance_extrapolates_from_the_unconditional() -> None:
    velocity = guided(swirl, lambda x, _: 2 * x, torch.tensor([0.0, 3.0]))
    x, t = normal(*SHAPE), torch.tensor([0.9, 0.4])
    conditional = swirl(x, t)
    assert torch.equal(velocity(x, t)[0], 2 * x[0])
    assert torch.equal(velocity(x, t)[1], 2 * x[1] + 3 * (conditional[1] - 2 * x[1]))
