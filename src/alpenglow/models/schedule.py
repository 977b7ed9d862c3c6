"""The timesteps of a sampling run: linear in time, shifted toward noise by an amount fitted to the picture's size."""

import math

from torch import Tensor, cat, float64, linspace, tensor, zeros

LARGE = 4300
"""Above this many image tokens the fit changes branch and the shift drops: from mu 2.308 to 1.185 at four steps.

The jump is in BFL's own formula; reproducing it is part of parity."""


def timesteps(num_tokens: int, steps: int) -> Tensor:
    """`steps` + 1 falling times in [0, 1], from pure noise at 1 to data at 0, fp32.

    `num_tokens` counts the output image's tokens, without references.
    sigma = e^mu / (e^mu + 1/t - 1) on t = 1, (n-1)/n, ..., 1/n (BFL `get_schedule`, diffusers' exponential shift).
    """
    shift = tensor(math.exp(empirical_mu(num_tokens, steps)))  # a number over a tensor would be rounded twice
    t = linspace(1.0, 1.0 / steps, steps, dtype=float64).float()
    return cat([shift / (shift + (1.0 / t - 1.0)), zeros(1)])


def empirical_mu(num_tokens: int, steps: int) -> float:
    """Shift of the schedule: two lines over the token count, fitted at 10 and 200 steps, joined linearly in steps."""
    mu_200 = 0.00016927 * num_tokens + 0.45666666
    if num_tokens > LARGE:
        return mu_200
    mu_10 = 8.73809524e-05 * num_tokens + 1.89833333
    slope = (mu_200 - mu_10) / 190.0
    return slope * steps + mu_200 - 200.0 * slope
