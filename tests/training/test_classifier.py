"""The evaluation's second judge: it knows a drawing again however it is moved, blurred or tinted."""

import pytest
import torch

from alpenglow.training.classifier import Classifier, augmented, blurred
from alpenglow.training.crops import to_signed
from alpenglow.training.pictures import Picture, render_picture


@pytest.fixture(scope="module")
def classifier(library):
    return Classifier(library, "fxemoji")


@pytest.fixture(scope="module")
def renders(library, classifier):
    """Every drawing of the style at another size than it was trained on."""
    pictures = [Picture(((name, "fxemoji"),)) for name in classifier.names]
    return torch.cat([to_signed(render_picture(one, library, 128, 128)[None]) for one in pictures])


def test_it_knows_renders_that_it_has_never_seen(classifier, renders):
    for images in (renders, augmented(renders, torch.Generator().manual_seed(1))):
        ranks = classifier.ranks(images, classifier.names)
        assert (ranks < 1).float().mean() >= 0.95
        assert (ranks < 5).float().mean() >= 0.98


def test_it_ranks_one_cell(classifier, library):
    image = render_picture(Picture((("dog", "fxemoji"),)), library, 256, 256)
    assert classifier.rank(image, "dog") == 0
    assert classifier.rank(image, "rocket") > 5


def test_a_copy_shows_the_same_otherwise(renders):
    copies = augmented(renders[:8], torch.Generator().manual_seed(0))
    assert copies.shape == renders[:8].shape
    assert 0.003 < (copies - renders[:8]).square().mean() < 0.5


def test_blurring_keeps_the_mean_and_takes_the_edges():
    image = torch.zeros(2, 3, 33, 33)
    image[..., 16, 16] = 1
    found = blurred(image, torch.tensor([0.0, 0.05]))
    assert torch.allclose(found.sum((2, 3)), torch.ones(2, 3), atol=1e-4)
    assert found[0, 0, 16, 16] > 0.99
    assert found[1, 0, 16, 16] < 0.1
