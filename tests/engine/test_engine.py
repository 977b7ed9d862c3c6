"""The loop: joining between steps, cancelling, failing without harm to others, opening and closing."""

import asyncio
import gc
import re
import threading
import time
import weakref
from threading import Semaphore

import numpy as np
import pytest
from arithmetic import STEPS, ArithmeticPipeline, alone, ask, card, loaded

from alpenglow.engine.engine import STOPPED, Engine
from alpenglow.engine.scheduler import Limits
from alpenglow.errors import (
    AlpenglowError,
    EngineClosed,
    EngineFailure,
    EngineStopped,
    InvalidInput,
    Overloaded,
    UnknownModel,
    WeightsError,
)
from alpenglow.request import GenerationRequest, Progress

SOLO = Limits(max_batch_tokens=1)


@pytest.fixture
def pipeline():
    return ArithmeticPipeline()


def run_dry(engine):
    while engine.status().running or engine.status().queued:
        engine.step()


def test_four_jobs_a_tick_apart_share_seven_forwards(pipeline):
    engine = loaded(pipeline)
    futures = []
    for seed in range(4):
        futures.append(engine.submit(ask(seed)))
        engine.step()
    run_dry(engine)
    assert pipeline.forwards == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [1, 2, 3], [2, 3], [3]]
    for seed, future in enumerate(futures):
        np.testing.assert_array_equal(future.result().image, alone(seed))


def test_solo_runs_them_one_after_the_other(pipeline):
    engine = loaded(pipeline, SOLO)
    futures = [engine.submit(ask(seed)) for seed in range(4)]
    run_dry(engine)
    assert pipeline.forwards == [[seed] for seed in range(4) for _ in range(STEPS)]
    assert [future.result().seed for future in futures] == [0, 1, 2, 3]


def test_sizes_that_differ_do_not_share_a_forward(pipeline):
    engine = loaded(pipeline)
    for seed, width in enumerate((256, 512, 256)):
        engine.submit(ask(seed, width=width))
    run_dry(engine)
    assert pipeline.forwards == [[0, 2]] * STEPS + [[1]] * STEPS


def test_progress_is_told_from_prepared_to_done(pipeline):
    engine = loaded(pipeline)
    told = []
    engine.submit(ask(), told.append)
    run_dry(engine)
    assert told == [Progress(step, STEPS) for step in range(STEPS + 1)]


def test_previews_come_with_every_step_but_the_last_and_only_where_they_are_wanted(pipeline):
    engine = loaded(pipeline)
    told = []
    engine.submit(ask(1, previews=True), told.append)
    engine.submit(ask(2), lambda _: None)
    run_dry(engine)
    assert [progress.preview is not None for progress in told] == [False, True, True, True, False]
    assert pipeline.previewed == [1] * (STEPS - 1)


def test_who_waits_is_told_how_many_came_before(pipeline):
    engine = loaded(pipeline, SOLO)
    told = {seed: [] for seed in range(3)}
    for seed, progress in told.items():
        engine.submit(ask(seed), progress.append)
    run_dry(engine)
    assert [p.ahead for p in told[0]] == [0] * (STEPS + 1)
    assert [p.ahead for p in told[1] if p.step == 0] == [1, 0]  # behind one, then prepared
    assert [p.ahead for p in told[2] if p.step == 0] == [2, 1, 0]
    assert all(p.ahead == 0 for progress in told.values() for p in progress if p.step)


def test_the_result_says_who_answered_and_what_it_cost(pipeline):
    engine = loaded(pipeline)
    reference = np.zeros((100, 50, 3), np.uint8)
    request = GenerationRequest("@cf/black-forest-labs/flux-2-klein-9b", "", 260, 256, 7, references=(reference,))
    future = engine.submit(request)
    run_dry(engine)
    result = future.result()
    assert (result.answered_by, result.seed) == ("demo", 7)
    usage = result.usage
    assert (usage.output_pixels, usage.reference_pixels, usage.steps) == (256 * 256, 5000, STEPS)
    assert min(usage.queue_seconds, usage.prepare_seconds, usage.denoise_seconds, usage.decode_seconds) > 0


def test_what_is_spent_on_previews_is_no_waiting(pipeline, monkeypatch):
    engine, preview = loaded(pipeline), pipeline.preview
    monkeypatch.setattr(pipeline, "preview", lambda sample: time.sleep(0.05) or preview(sample))
    future = engine.submit(ask(0, previews=True))
    run_dry(engine)
    assert future.result().usage.queue_seconds < 0.05


def test_cancelling_takes_effect_at_the_next_step(pipeline):
    engine = loaded(pipeline)
    stays, leaves = engine.submit(ask(0)), engine.submit(ask(1))
    engine.step()
    assert leaves.cancel()
    run_dry(engine)
    assert pipeline.forwards == [[0, 1], [0], [0], [0]]
    assert pipeline.decoded == [0]
    assert stays.result().seed == 0


def test_a_cancelled_job_frees_its_place_at_once(pipeline):
    engine = loaded(pipeline, Limits(max_prepared=1, max_queued=0))
    first = engine.submit(ask(0))
    with pytest.raises(Overloaded):
        engine.submit(ask(1))
    first.cancel()
    engine.submit(ask(1))
    assert engine.status().queued == 1


@pytest.mark.parametrize("cancelled", [True, False])
def test_an_answer_keeps_nothing_of_the_job(pipeline, cancelled):
    """Not even until the garbage collector comes by, which sees no pressure on the device's memory."""
    engine, reference = loaded(pipeline), np.zeros((16, 16, 3), np.uint8)
    future = engine.submit(GenerationRequest("demo", "", 256, 256, seed=0, references=(reference,)))
    gone = weakref.ref(reference)
    del reference
    gc.disable()
    try:
        engine.step()
        if cancelled:
            future.cancel()
        run_dry(engine)
        assert gone() is None
    finally:
        gc.enable()
    assert future.done()


def test_a_job_cancelled_during_its_last_forward_is_not_decoded():
    pipeline = ArithmeticPipeline()
    engine = loaded(pipeline)
    future = engine.submit(ask(), lambda progress: progress.step == STEPS and future.cancel())
    run_dry(engine)
    assert future.cancelled()
    assert pipeline.decoded == []


@pytest.mark.parametrize("phase", ["prepare", "decode"])
def test_one_failure_leaves_the_others_alone(pipeline, phase, caplog):
    engine = loaded(pipeline)
    good, bad, other = (
        engine.submit(ask(i, prompt)) for i, prompt in enumerate(["a dog", f"fail to {phase}", "a cat"])
    )
    run_dry(engine)
    with pytest.raises(EngineFailure, match=f"^The engine failed to {phase} this picture.$"):
        bad.result()
    assert [good.result().seed, other.result().seed] == [0, 2]
    assert f"RuntimeError: {phase}" in caplog.text


def test_a_panic_of_native_code_is_one_pictures_alone(pipeline, monkeypatch):
    """Rust's come as what is no Exception."""

    class PanicException(BaseException):
        pass

    def panic(request):
        raise PanicException("NormalizedString bad split")

    engine, prepare = loaded(pipeline), pipeline.prepare
    monkeypatch.setattr(pipeline, "prepare", lambda request: (panic if request.seed else prepare)(request))
    good, bad = engine.submit(ask(0)), engine.submit(ask(1))
    run_dry(engine)
    assert good.result().seed == 0
    with pytest.raises(EngineFailure, match="prepare"):
        bad.result()


def test_a_preview_that_fails_does_not_cost_the_picture(pipeline, monkeypatch, caplog):
    def fail(sample):
        raise RuntimeError("no preview")

    monkeypatch.setattr(pipeline, "preview", fail)
    engine, told = loaded(pipeline), []
    future = engine.submit(ask(1, previews=True), told.append)
    run_dry(engine)
    assert future.result().seed == 1
    assert [progress.preview for progress in told] == [None] * (STEPS + 1)
    assert "RuntimeError: no preview" in caplog.text

    lost = engine.submit(ask(2, previews=True))
    pipeline.lost = True
    with pytest.raises(RuntimeError, match="illegal memory access"):
        run_dry(engine)
    with pytest.raises(EngineFailure, match="preview"):
        lost.result()


def test_a_failed_forward_fails_its_batch_and_no_one_else(pipeline, caplog):
    engine = loaded(pipeline)
    bad, neighbour = engine.submit(ask(0, "fail to denoise")), engine.submit(ask(1))
    elsewhere = engine.submit(ask(2, width=512))
    run_dry(engine)
    for future in (bad, neighbour):
        with pytest.raises(EngineFailure, match="denoise"):
            future.result()
    assert elsewhere.result().seed == 2
    assert "RuntimeError: advance" in caplog.text
    assert pipeline.decoded == [2]


def test_a_lost_device_is_the_engines_end(pipeline, caplog):
    engine = loaded(pipeline)
    bad, other = engine.submit(ask(0, "fail to denoise")), engine.submit(ask(1, width=512))
    pipeline.lost = True
    with pytest.raises(RuntimeError, match="illegal memory access"):
        run_dry(engine)
    with pytest.raises(EngineFailure, match="denoise"):
        bad.result()
    engine.close()
    with pytest.raises(EngineClosed):
        other.result()


def test_our_own_errors_reach_the_caller_as_they_are(pipeline):
    engine = loaded(pipeline)
    future = engine.submit(ask(prompt="too long"))
    engine.step()
    with pytest.raises(InvalidInput, match="'/prompt' is too long"):
        future.result()


def test_a_careless_listener_fails_only_its_own_job(pipeline, caplog):
    engine = loaded(pipeline)

    def careless(_):
        raise ValueError("nobody home")

    bad, good = engine.submit(ask(0), careless), engine.submit(ask(1))
    run_dry(engine)
    assert isinstance(bad.exception(), EngineFailure)
    assert good.result().seed == 1
    assert "nobody home" in caplog.text


def test_a_known_prompt_costs_the_text_encoder_nothing(pipeline):
    engine = loaded(pipeline)
    usages = []
    for _ in range(2):
        future = engine.submit(ask())
        run_dry(engine)
        usages.append(future.result().usage)
    assert usages[0].text_encoder_seconds > 0
    assert usages[1].text_encoder_seconds == 0.0
    assert engine.status().cache.bytes == 1
    assert engine.status().plans == {"demo": "arithmetic"}


def test_who_cannot_be_answered_in_time_is_told_so_at_once(pipeline):
    engine = loaded(pipeline, Limits(max_seconds=1e-9))
    futures = [engine.submit(ask(seed)) for seed in range(5)]  # nothing is known of its pace yet
    assert engine.status().predicted_seconds == 0
    engine.step()
    assert engine.status().predicted_seconds > 1e-9
    with pytest.raises(Overloaded):
        engine.submit(ask(5))
    run_dry(engine)
    assert all(future.done() for future in futures)
    assert engine.status().predicted_seconds == 0
    engine.submit(ask(6))  # an idle engine takes whatever comes


def test_an_unknown_model_is_refused(pipeline):
    with pytest.raises(UnknownModel, match="No such model flux-3 or task"):
        loaded(pipeline).submit(GenerationRequest("flux-3", "a dog"))


def test_status_counts_who_runs_and_who_waits(pipeline):
    engine = loaded(pipeline, Limits(max_prepared=2))
    for seed in range(5):
        engine.submit(ask(seed))
    engine.step()
    status = engine.status()
    assert (status.ready, status.running, status.queued) == (True, 2, 3)


def test_the_memory_of_a_picture_ends_with_its_job(pipeline):
    engine = loaded(pipeline)
    future = engine.submit(ask())
    engine.step()
    job = next(iter(engine._scheduler))
    assert job.sample is not None
    run_dry(engine)
    assert future.done()
    assert job.sample is None


# In its own thread


@pytest.fixture
def gated():
    return ArithmeticPipeline(gate=Semaphore(0))


@pytest.fixture
def running(gated):
    engine = Engine([card()], Limits(max_queued=100))
    engine.start(lambda: [gated])
    engine.wait_until_ready(10)
    yield engine
    gated.gate.release(10_000)
    engine.close()


def test_fifty_of_a_hundred_go_away_and_the_others_are_answered(running, gated):
    async def scenario():
        loop, under_way = asyncio.get_running_loop(), asyncio.Event()

        def tell(_):
            loop.call_soon_threadsafe(under_way.set)

        tasks = [asyncio.create_task(running.generate(ask(seed), tell)) for seed in range(100)]
        await under_way.wait()
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks[::2], return_exceptions=True)
        left = running.status()
        gated.gate.release(10_000)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return left, results

    left, results = asyncio.run(scenario())
    assert left.running + left.queued == 50
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    for seed, result in list(enumerate(results))[1::2]:
        np.testing.assert_array_equal(result.image, alone(seed))
    assert set(gated.decoded) == set(range(1, 100, 2))
    assert not {seed for batch in gated.forwards[1:] for seed in batch if seed % 2 == 0}, (
        "at most the forward under way was lost"
    )


def test_jobs_arrive_from_many_threads(running, gated):
    gated.gate.release(10_000)
    answers = {}

    def caller(start):
        for seed in range(start, start + 20):
            answers[seed] = running.submit(ask(seed)).result(10).image

    threads = [threading.Thread(target=caller, args=(start,)) for start in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 80
    assert all(np.array_equal(image, alone(seed)) for seed, image in answers.items())


def test_close_fails_what_is_waiting_and_takes_no_more(running, gated):
    futures = [running.submit(ask(seed)) for seed in range(3)]
    closer = threading.Thread(target=running.close)
    closer.start()
    while running.status().ready:
        time.sleep(0.001)
    gated.gate.release(10_000)
    closer.join(10)
    assert not closer.is_alive()
    for future in futures:
        with pytest.raises(EngineClosed, match="stopping"):
            future.result(0)
    with pytest.raises(EngineClosed, match="stopping"):
        running.submit(ask())
    assert not running.status().ready


def test_close_may_first_finish_what_is_waiting(running, gated):
    futures = [running.submit(ask(seed)) for seed in range(3)]
    gated.gate.release(10_000)
    running.close(drain_seconds=10)
    assert [future.result(0).seed for future in futures] == [0, 1, 2]


def test_close_before_start_fails_what_is_waiting(pipeline):
    engine = loaded(pipeline)
    future = engine.submit(ask())
    engine.close()
    with pytest.raises(EngineClosed):
        future.result(0)


def test_while_loading_it_is_not_ready_and_accepts_nothing(pipeline):
    engine, may_load = Engine([card()]), threading.Event()

    def loader():
        assert may_load.wait(10)
        return [pipeline]

    engine.start(loader)
    assert not engine.status().ready
    assert engine.models()[0].row == "demo"
    with pytest.raises(EngineClosed, match="loading"):
        engine.submit(ask())
    may_load.set()
    engine.wait_until_ready(10)
    assert engine.status().ready
    assert pipeline.warm
    engine.close()


def test_closing_does_not_wait_for_what_is_loading(pipeline):
    engine, may_load, warmed = Engine([card()]), threading.Event(), []
    pipeline.warm_up = lambda: warmed.append(1)

    def loader():
        assert may_load.wait(30)
        yield pipeline

    engine.start(loader)
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 10
    assert engine.left_loading
    may_load.set()
    engine._thread.join(10)
    assert not engine.left_loading
    assert (engine.status().ready, warmed) == (False, [])


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WeightsError("model.safetensors: 3 keys are missing"), "model.safetensors: 3 keys are missing"),
        (MemoryError("no room"), "The engine stopped: MemoryError: no room"),
    ],
)
def test_a_failed_load_is_explained_to_whoever_started_the_engine_alone(error, sentence, caplog):
    engine = Engine([card()])

    def loader():
        raise error

    engine.start(loader)
    with pytest.raises(AlpenglowError, match=sentence):
        engine.wait_until_ready(10)
    assert engine.status().failure == STOPPED
    with pytest.raises(EngineStopped, match=re.escape(STOPPED)):
        engine.submit(ask())
    assert "Traceback" in caplog.text
    engine.close()


def test_waiting_for_ready_has_an_end():
    engine, never = Engine([card()]), threading.Event()
    engine.start(lambda: never.wait(10) and [])
    with pytest.raises(EngineClosed, match="loading"):
        engine.wait_until_ready(0.01)
    never.set()
    engine.close()
