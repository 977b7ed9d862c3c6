"""Networks that visit the device a block at a time draw the same pictures, and never more than two blocks are there."""

from mmap import PAGESIZE

import pytest
import torch

from alpenglow.catalogue import find
from alpenglow.engine.offload import OFFLOADS, OffloadedModule, StreamedBlocks, apply_offload, on_own_pages
from alpenglow.engine.pipeline import Pipeline
from alpenglow.errors import SettingsError
from alpenglow.request import GenerationRequest
from alpenglow.weights import hub
from alpenglow.weights.hub import Files
from alpenglow.weights.networks import Networks, load_networks

CPU = torch.device("cpu")
REQUEST = GenerationRequest("demo", "a red apple", 256, 256, seed=3)


@pytest.fixture
def files(tmp_path) -> Files:
    found = hub.find("demo", None, tmp_path, None)
    assert found is not None
    return found


@pytest.fixture
def networks(files) -> Networks:
    return load_networks(find("demo").architecture, files, torch.float32)


@pytest.mark.parametrize("offload", OFFLOADS)
def test_pictures_do_not_change(networks, files, offload) -> None:
    """The device is the CPU itself: weights are copied there and forgotten as on any other."""
    apply_offload(networks, offload, CPU)
    streamed, plain = Pipeline(find("demo"), networks), Pipeline.load(find("demo"), files, device="cpu")
    for pipeline in (streamed, streamed, plain):
        pipeline.conditioning.cache.max_bytes = 0
    samples = [pipeline.prepare(REQUEST) for pipeline in (streamed, streamed, plain)]
    for pipeline, sample in zip((streamed, streamed, plain), samples, strict=True):
        while not sample.done:
            pipeline.advance([sample])
    assert torch.equal(samples[0].x, samples[1].x)
    assert (samples[0].x - samples[2].x).abs().max() < 1e-4


def test_two_blocks_are_there_at_most_and_none_afterwards() -> None:
    blocks = [torch.nn.Linear(8, 8) for _ in range(5)]
    homes = [block.weight.data_ptr() for block in blocks]
    there: list[int] = []

    def away(number: int) -> bool:
        return blocks[number].weight.data_ptr() == homes[number]

    for block in blocks:
        block.register_forward_pre_hook(lambda *_: None)
    streamed = StreamedBlocks(blocks, CPU)
    for block in blocks:
        block.register_forward_pre_hook(lambda *_: there.append(sum(not away(n) for n in range(5))))
    x = torch.randn(2, 8)
    for _ in range(2):
        y = x
        for block in blocks:
            y = block(y)
    assert there == [2, 2, 2, 2, 1] * 2
    assert all(away(number) for number in range(5))
    assert streamed.bytes == 2 * (8 * 8 + 8) * 4


@pytest.mark.parametrize("failing", [0, 2, 4])
def test_a_block_that_fails_leaves_the_next_pass_as_it_was(failing) -> None:
    """As where there is no room for a moment: what was there or on its way goes, and nothing is half there."""
    blocks = [torch.nn.Linear(8, 8) for _ in range(5)]
    homes = [block.weight.data_ptr() for block in blocks]
    there: list[list[int]] = []
    StreamedBlocks(blocks, CPU)
    fail = blocks[failing].register_forward_pre_hook(lambda *_: 1 / 0)
    for block in blocks:
        block.register_forward_pre_hook(
            lambda *_: there.append([n for n in range(5) if blocks[n].weight.data_ptr() != homes[n]])
        )

    def run() -> torch.Tensor:
        y = torch.ones(2, 8)
        for block in blocks:
            y = block(y)
        return y

    with pytest.raises(ZeroDivisionError):
        run()
    fail.remove()
    there.clear()
    first = run()
    assert there == [[0, 1], [1, 2], [2, 3], [3, 4], [4]]
    assert torch.equal(first, run())


def test_a_module_comes_whole_or_not_at_all() -> None:
    module = torch.nn.Linear(4, 4)
    offloaded = OffloadedModule(module, CPU)
    offloaded._homes[1] = (module, "bias", torch.empty(0, device="meta"))  # what cannot be copied, after what can
    weight = module.weight.data_ptr()
    with pytest.raises(NotImplementedError):
        offloaded.onload()
    assert module.weight.data_ptr() == weight


def test_a_module_says_what_it_weighs_and_leaves_no_copy() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    offloaded = OffloadedModule(module, CPU)
    before = [tensor.data_ptr() for tensor in offloaded.tensors()]
    offloaded.onload()
    assert not set(before) & {tensor.data_ptr() for tensor in offloaded.tensors()}
    offloaded.offload()
    assert before == [tensor.data_ptr() for tensor in offloaded.tensors()]
    assert offloaded.bytes == (16 + 4) * 4 + 4 * 4 * 4 + 8


@pytest.mark.parametrize("tensor", [torch.randn(3, 5), torch.tensor(7), torch.randn(4096, 3).bfloat16().t()])
def test_what_is_page_locked_has_its_pages_to_itself(tensor: torch.Tensor) -> None:
    copies = [on_own_pages(tensor) for _ in range(20)]
    assert all(torch.equal(copy, tensor) and copy.dtype == tensor.dtype for copy in copies)
    assert all(copy.data_ptr() % PAGESIZE == 0 for copy in copies)
    for copy in copies:
        room, end = copy.untyped_storage(), copy.data_ptr() + copy.nbytes
        assert -(-end // PAGESIZE) * PAGESIZE <= room.data_ptr() + room.nbytes()


def test_there_is_nothing_to_offload_from_a_cpu(files) -> None:
    with pytest.raises(SettingsError, match="offloaded from a CPU"):
        Pipeline.load(find("demo"), files, device="cpu", offload="blocks")
