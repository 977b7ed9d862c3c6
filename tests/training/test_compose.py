"""Pictures put together by number, on the device that trains, are those that are rendered by name."""

import numpy as np
import pytest
import torch

from alpenglow.training.captions import COLOURS
from alpenglow.training.compose import NOTHING, Composer, Pictures
from alpenglow.training.linear_start import LinearEncoder
from alpenglow.training.pictures import LAYOUTS, PLACES, TOKEN, WITHIN, Picture, render_picture
from alpenglow.training.pixels import render_all
from alpenglow.training.scenes import SCENES

CONCEPTS = {"dog", "cat", "giraffe", "snake"}
FRAMES = ((256, 256), (512, 512), (640, 384))
GROUNDS = (*COLOURS, *SCENES)


@pytest.fixture(scope="module")
def few(library):
    return library.only(CONCEPTS)


@pytest.fixture(scope="module")
def composer(few, tmp_path_factory):
    encoder = LinearEncoder(torch.eye(3 * TOKEN * TOKEN)[:8].unflatten(1, (3, TOKEN, TOKEN)), torch.zeros(8))
    return Composer(render_all(few, tmp_path_factory.mktemp("rendered"), FRAMES[:2]), encoder, "cpu")


def numbered(pictures, library):
    numbers = {key: i for i, key in enumerate(library.drawings)}
    drawings = [[*(numbers[key] for key in picture.drawings), *(NOTHING,) * 4][:4] for picture in pictures]
    grounds = [GROUNDS.index(picture.ground) for picture in pictures]
    return Pictures(np.array(drawings), np.array(grounds), np.array([picture.layout for picture in pictures]))


def pictures_of(library, layout, grounds, seed=0):
    rng, keys = np.random.default_rng(seed), list(library.drawings)
    arrangement = LAYOUTS[layout] if LAYOUTS[layout] in WITHIN else ""
    return [
        Picture(
            tuple(keys[i] for i in rng.integers(len(keys), size=PLACES.get(layout, 0))),
            grounds[rng.integers(len(grounds))],
            arrangement,
        )
        for _ in range(6)
    ]


def assert_same(composer, library, pictures, width, height):
    found = composer.pixels(numbered(pictures, library), width, height)
    for picture, pixels in zip(pictures, found, strict=True):
        drawn = render_picture(picture, library, width, height).transpose(2, 0, 1)
        assert np.abs(pixels.numpy() - drawn).max() <= 0.51, picture  # rendered pixels are whole numbers


@pytest.mark.parametrize(("width", "height"), [(256, 256), (512, 512), (1024, 768), (768, 1024), (1920, 1088)])
@pytest.mark.parametrize("layout", PLACES)
def test_things_on_colours(composer, few, width, height, layout):
    if composer.fits(width, height, layout):
        assert_same(composer, few, pictures_of(few, layout, list(COLOURS)), width, height)
    else:
        assert (width, height, layout) == (768, 1024, 2)  # each would be 384 pixels wide, which nothing is cut out for


@pytest.mark.parametrize(("width", "height"), FRAMES[:2])
@pytest.mark.parametrize("places", [0, 1])
def test_scenes_and_what_stands_in_them(composer, few, width, height, places):
    assert_same(composer, few, pictures_of(few, places, SCENES), width, height)


def test_a_batch_may_hold_everything_at_once(composer, few):
    plain = [picture for layout in PLACES for picture in pictures_of(few, layout, list(COLOURS))]
    mixed = [*plain, *pictures_of(few, 1, SCENES), *pictures_of(few, 0, SCENES)]
    assert_same(composer, few, mixed, 512, 512)


def test_a_scene_at_a_size_that_was_not_rendered_is_refused(composer, few):
    with pytest.raises(KeyError):
        composer.pixels(numbered(pictures_of(few, 0, SCENES), few), 640, 384)


def test_latents_are_the_encoders(composer, few):
    pictures = pictures_of(few, 1, list(COLOURS))
    latents = composer.latents(numbered(pictures, few), 512, 512)
    assert latents.shape == (6, 8, 8, 8)
    drawn = np.stack([render_picture(picture, few, 512, 512) for picture in pictures])
    corner = torch.from_numpy(drawn[:, :TOKEN, :8, 0].astype(np.float32) / 127.5 - 1)[:, 0]
    assert torch.allclose(latents[:, :, 0, 0], corner, atol=0.005)


def test_latents_from_layers_are_those_of_the_pixels(composer, few):
    grounds = [*COLOURS, *SCENES]
    plain = [picture for layout in PLACES for picture in pictures_of(few, layout, list(COLOURS))]
    mixed = [*plain, *pictures_of(few, 1, grounds), *pictures_of(few, 0, grounds)]
    batch = numbered(mixed, few)
    whole = composer.encoder(composer.pixels(batch, 512, 512) / 127.5 - 1)
    assert (composer.latents(batch, 512, 512) - whole).abs().max() < 2e-3  # layers are kept in fp16


def test_what_is_rendered_is_kept_and_checked(few, library, tmp_path):
    first = render_all(few, tmp_path, (), (128,))
    assert first.cutouts[128].shape == (len(few.drawings), 4, 128, 128)
    stamp = (tmp_path / "cutouts-128.npy").stat().st_mtime_ns
    render_all(few, tmp_path, (), (128,))
    assert (tmp_path / "cutouts-128.npy").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="from other drawings"):
        render_all(library, tmp_path, (), (128,))
