"""Euler sampling of a rectified flow. Knows nothing of networks, prompts or pictures: a velocity is a function."""

from collections.abc import Callable

from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(x (B, N, C), t (B,)) -> noise - data, (B, N, C)."""


def euler_step(x: Tensor, v: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
    """x + (t_next - t) v in fp32, a time for each row. Shapes (B, N, C), (B, N, C), (B,), (B,)."""
    return x.float() + (t_next - t).view(-1, 1, 1) * v


def guided(conditional: Velocity, unconditional: Velocity, guidance: Tensor) -> Velocity:
    """Classifier-free guidance: u + g (c - u), g (B,) a strength for each row."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        u = unconditional(x, t)
        return u + guidance.view(-1, 1, 1) * (conditional(x, t) - u)

    return velocity
