"""The rules of the queue, in plain Python: who runs, who rides along, who is turned away, and that nobody starves."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alpenglow.engine.device import batch_tokens
from alpenglow.engine.job import Job
from alpenglow.engine.scheduler import Limits, Scheduler
from alpenglow.errors import Overloaded
from alpenglow.request import GenerationRequest


@dataclass
class Sample:
    steps: int = 4
    step: int = 0

    @property
    def done(self):
        return self.step == self.steps


def job(shape="square", work=400, tokens=100, sample=None):
    return Job(GenerationRequest("demo", "a dog"), None, shape, tokens, work, sample=sample)


def prepared(shape="square", **more):
    return job(shape, sample=Sample(), **more)


def scheduler(*jobs, **limits):
    made = Scheduler(Limits(**limits))
    for each in jobs:
        made.add(each)
    return made


def test_the_oldest_runs_and_its_shape_rides_along():
    square, wide, another = prepared(), prepared("wide"), prepared()
    assert scheduler(square, wide, another).schedule() == [square, another]


def test_riders_stop_at_the_token_budget():
    first, second, third = (prepared() for _ in range(3))
    assert scheduler(first, second, third, max_batch_tokens=299).schedule() == [first, second]


def test_a_small_rider_fits_where_a_large_one_does_not():
    first, large, small = prepared(), prepared(tokens=200), prepared(tokens=50)
    assert scheduler(first, large, small, max_batch_tokens=150).schedule() == [first, small]


def test_the_oldest_runs_even_above_the_budget():
    huge = prepared(tokens=10_000)
    assert scheduler(huge, prepared(), max_batch_tokens=100).schedule() == [huge]


def test_a_budget_of_one_token_is_solo():
    first, second = prepared(), prepared()
    assert scheduler(first, second, max_batch_tokens=1).schedule() == [first]


def test_only_the_window_is_prepared():
    jobs = [job() for _ in range(5)]
    queue = scheduler(*jobs, max_prepared=2)
    assert queue.admit() == jobs[:2]
    jobs[0].sample = jobs[1].sample = Sample()
    assert queue.admit() == []
    assert (queue.prepared, len(queue)) == (2, 5)
    queue.remove(jobs[0].future)
    assert queue.admit() == [jobs[2]]


def test_only_those_are_prepared_for_whom_a_forward_may_have_room():
    jobs = [job() for _ in range(5)]
    queue = scheduler(*jobs, max_batch_tokens=250)
    assert queue.admit() == jobs[:2]
    for each in jobs[:2]:
        each.sample = Sample()
    assert queue.admit() == []
    queue.remove(jobs[0].future)
    assert queue.admit() == [jobs[2]]


def test_other_shapes_take_no_room_from_riders():
    square, wide, tall, another = job(), job("wide", tokens=200), job("tall"), job()
    assert scheduler(square, wide, tall, another, max_batch_tokens=250).admit() == [square, another]


def test_unprepared_jobs_are_not_scheduled():
    queue = scheduler(job(), job())
    assert queue.schedule() == []


def test_too_many_jobs_are_turned_away_and_nothing_changes():
    first = job()
    queue = scheduler(first, max_prepared=1, max_queued=0)
    with pytest.raises(Overloaded):
        queue.add(job())
    assert list(queue) == [first]


def test_too_much_predicted_work_is_turned_away_until_some_leaves():
    first, second = job(work=600), job(work=600)
    queue = scheduler(first, max_seconds=10)
    queue.observe(100, 1.0)
    with pytest.raises(Overloaded):
        queue.add(second)
    queue.remove(first.future)
    queue.add(second)
    assert list(queue) == [second]


def test_work_that_is_done_is_not_counted():
    half = job(work=800, sample=Sample(steps=4, step=2))
    queue = scheduler(half, max_seconds=10)
    queue.observe(100, 1.0)
    assert queue.work == 400
    queue.add(job(work=600))


def test_the_pace_of_late_predicts_seconds():
    queue = scheduler(max_seconds=10)
    assert queue.seconds(1000) == 0
    for _ in range(50):
        queue.observe(100, 1.0)
    assert queue.seconds(1000) == pytest.approx(10)
    for _ in range(50):
        queue.observe(100, 2.0)
    assert queue.seconds(1000) == pytest.approx(20, rel=0.02)
    queue.add(job(work=400))
    with pytest.raises(Overloaded):
        queue.add(job(work=400))
    queue.add(job(work=50))


def test_one_job_is_welcome_whatever_its_size():
    giant, queue = job(work=10**9), scheduler(max_seconds=1)
    queue.observe(100, 1.0)
    queue.add(giant)
    assert list(queue) == [giant]


def test_removing_twice_frees_the_work_once():
    gone, stays = job(work=500), job(work=500)
    queue = scheduler(gone, stays, max_seconds=10)
    queue.observe(100, 1.0)
    queue.remove(gone.future)
    queue.remove(gone.future)
    with pytest.raises(Overloaded):
        queue.add(job(work=501))


def answered(budget, callers=3, hours=4, timeout=600.0):
    """How many pictures are made and how many come too late, where every one in a forward takes a minute: of callers
    who ask again as soon as they are answered or late, and ten seconds after they are refused.
    """
    queue, now = scheduler(max_batch_tokens=budget, max_seconds=timeout), 0.0
    idle, asked, made, late = [float(at) for at in range(callers)], {}, 0, 0
    while now < 3600 * hours:
        for at in [at for at in idle if at <= now]:
            idle.remove(at)
            try:
                queue.add(newcomer := job(work=4 * 768, tokens=768))
                asked[newcomer] = now
            except Overloaded:
                idle.append(now + 10)
        began = now
        for each in queue.admit():
            each.sample, now = Sample(), now + 25
        batch = queue.schedule()
        now += 60 * len(batch) or 10
        for each in batch:
            each.sample.step += 1
        queue.observe(768 * len(batch), now - began)
        for each in [each for each in asked if now - asked[each] > timeout or each.denoised]:
            made, late = (made, late + 1) if now - asked.pop(each) > timeout else (made + 1, late)
            queue.remove(each.future)
            idle.append(now)
    return made, late


def test_riders_would_make_everybody_late_where_a_forward_takes_as_long_as_its_tokens():
    made, late = answered(batch_tokens(torch.device("cpu")))
    assert made > 40
    assert late <= 1  # who came before any pace was known
    assert answered(16_384)[0] <= 1


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["square", "wide", "tall"]),
        st.integers(50, 400),  # tokens
        st.integers(1, 5),  # steps
        st.integers(0, 12),  # tick of arrival
        st.none() | st.integers(0, 20),  # tick of cancellation
    ),
    max_size=20,
)


@given(arrivals=arrivals, budget=st.integers(1, 1000), window=st.integers(1, 5))
def test_nobody_starves(arrivals, budget, window):
    """Whatever arrives and is cancelled, a job ends no later than if all before it had run one after the other."""
    arrivals = sorted(arrivals, key=lambda arrival: arrival[3])
    queue = Scheduler(Limits(max_batch_tokens=budget, max_prepared=window))
    jobs, deadline, tick = {}, {}, 0
    while len(jobs) < len(arrivals) or len(queue):
        while len(jobs) < len(arrivals) and arrivals[len(jobs)][3] <= tick:
            shape, tokens, steps, _, cancelled_at = arrivals[len(jobs)]
            ahead = sum(jobs[other][0].steps - jobs[other][0].step for other in queue)
            newcomer = job(shape, work=tokens * steps, tokens=tokens)
            queue.add(newcomer)
            jobs[newcomer] = (Sample(steps), cancelled_at)
            deadline[newcomer] = tick + ahead + steps
        for each, (_, cancelled_at) in jobs.items():
            if cancelled_at == tick:
                queue.remove(each.future)
        for each in queue.admit():
            each.sample = jobs[each][0]
        batch = queue.schedule()
        assert batch[:1] == list(queue)[:1]
        assert len({each.batch_key for each in batch}) <= 1
        assert len(batch) == 1 or sum(each.tokens for each in batch) <= budget
        assert queue.prepared <= window
        tick += 1
        for each in batch:
            each.sample.step += 1
            if each.sample.done:
                queue.remove(each.future)
                assert tick <= deadline[each]
