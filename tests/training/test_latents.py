"""The pools that the transformer learns from: latents in a larger frame are those of a rendering in that frame."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from alpenglow.training.crops import to_signed
from alpenglow.training.drawings import Library
from alpenglow.training.examples import Plan
from alpenglow.training.latents import FramedPool, LatentPool, framable, ground_latents
from alpenglow.training.pictures import TOKEN, Picture, render_picture
from alpenglow.training.recipe import WIDE
from alpenglow.training.scenes import SCENES
from alpenglow.training.stages import FRAMES

DOG, CAT = ("dog", "fluent"), ("cat", "fluent")


def encode(pictures: Tensor) -> Tensor:
    """Each token from its own pixels alone, as the demo's encoder does."""
    return F.avg_pool2d(pictures, TOKEN)


def encoded(picture: Picture, library: Library, width: int, height: int) -> Tensor:
    return encode(to_signed(np.stack([render_picture(picture, library, width, height)])))


def pool_of(pictures: list[Picture], library: Library) -> LatentPool:
    """A pool whose plans ask for nothing but its pictures, at 512x512."""
    latents = np.concatenate([encoded(picture, library, 512, 512).half().numpy() for picture in pictures])
    plans = [Plan("subject", "a dog", picture) for picture in pictures]
    return LatentPool(plans, {picture: i for i, picture in enumerate(pictures)}, latents)


def assert_framed(picture: Picture, pool: LatentPool, library: Library, width: int, height: int) -> None:
    framed = FramedPool(pool, ground_latents(encode), height, width)
    assert framed.tokens == width * height
    expected = encoded(picture, library, width * TOKEN, height * TOKEN)
    torch.testing.assert_close(framed.look_up([picture])[0], expected[0], atol=1e-3, rtol=0)  # stored in fp16


@pytest.mark.parametrize(("width", "height"), FRAMES)
def test_a_thing_in_a_larger_frame_has_the_latents_of_its_rendering(library: Library, width: int, height: int) -> None:
    picture = Picture((DOG,), "pink")
    assert_framed(picture, pool_of([picture], library), library, width, height)


@pytest.mark.parametrize(("width", "height"), [frame for frame in FRAMES if frame[0] >= WIDE])
def test_two_things_too_each_from_its_own_picture(library: Library, width: int, height: int) -> None:
    left, right = Picture((DOG,)), Picture((CAT,))
    both = Picture((DOG, CAT))
    pool = framable([pool_of([both, left], library), pool_of([right], library)])
    assert_framed(both, pool, library, width, height)


def test_framable_is_what_shows_things_held_by_themselves_on_one_colour(library: Library) -> None:
    fitting = [Picture((DOG,), "pink"), Picture((DOG,)), Picture((CAT,)), Picture((DOG, CAT))]
    others = [Picture((DOG, CAT), "pink"), Picture((DOG,), SCENES[0]), Picture((), SCENES[0])]
    found = framable([pool_of([*others, *fitting[:2]], library), pool_of(fitting[2:], library)])
    assert {plan.picture for plan in found.plans} == {*fitting}


def test_a_frame_without_room_is_refused(library: Library) -> None:
    pool = framable([pool_of([Picture((DOG, CAT)), Picture((DOG,)), Picture((CAT,))], library)])
    with pytest.raises(ValueError, match="too small for 2 things"):
        FramedPool(pool, {}, 12, 12)
