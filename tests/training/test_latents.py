"""The pools that the transformer learns from: latents in a larger frame are those of a rendering in that frame."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from alpenglow.training.crops import to_signed
from alpenglow.training.drawings import Library
from alpenglow.training.examples import Plan
from alpenglow.training.latents import FramedPool, LatentPool, ground_latents
from alpenglow.training.pictures import TOKEN, Picture, render_picture
from alpenglow.training.recipe import FRAMES
from alpenglow.training.scenes import SCENES

DOG = ("dog", "fluent")


def encode(pictures: Tensor) -> Tensor:
    """Each token from its own pixels alone, as the demo's encoder does."""
    return F.avg_pool2d(pictures, TOKEN)


def encoded(picture: Picture, library: Library, width: int, height: int) -> Tensor:
    return encode(to_signed(np.stack([render_picture(picture, library, width, height)])))


@pytest.mark.parametrize(("width", "height"), FRAMES)
def test_a_thing_in_a_larger_frame_has_the_latents_of_its_rendering(library: Library, width: int, height: int) -> None:
    picture = Picture((DOG,), "pink")
    latents = encoded(picture, library, 512, 512).half().numpy()
    pool = LatentPool([Plan("subject", "a dog", picture)], {picture: 0}, latents)
    framed = FramedPool(pool, ground_latents(encode), height, width)
    assert framed.tokens == width * height
    expected = encoded(picture, library, width * TOKEN, height * TOKEN)
    assert torch.allclose(framed.look_up([picture]), expected, atol=1e-3)  # stored in fp16


@pytest.mark.parametrize("picture", [Picture((DOG, DOG)), Picture((DOG,), SCENES[0]), Picture((), SCENES[0])])
def test_only_single_things_on_one_colour_are_framed(picture: Picture) -> None:
    pool = LatentPool([Plan("subject", "a dog", picture)], {picture: 0}, np.zeros((1, 3, 8, 8), np.float16))
    with pytest.raises(ValueError, match="single things"):
        FramedPool(pool, {}, 10, 10)
