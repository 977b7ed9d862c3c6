"""The cache stays within its bytes whatever happens, and forgets the least recently used first."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from alpenglow.engine.cache import Cache


def test_the_least_recently_used_leaves_first():
    cache = Cache(max_bytes=6, sizeof=len)
    cache.put("a", "aaa")
    cache.put("b", "bbb")
    assert cache.get("a") == "aaa"
    cache.put("c", "ccc")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("aaa", None, "ccc")
    assert (cache.hits, cache.misses, cache.bytes, len(cache)) == (3, 1, 6, 2)


def test_a_value_above_the_limit_is_not_kept_and_replaces_what_was_there():
    cache = Cache(max_bytes=4, sizeof=len)
    cache.put("a", "aa")
    cache.put("a", "a" * 5)
    assert (cache.get("a"), cache.bytes) == (None, 0)


def test_a_value_is_made_once():
    cache = Cache(max_bytes=100, sizeof=len)
    made = []

    def make():
        made.append(1)
        return "picture"

    assert [cache.get_or_make("key", make) for _ in range(3)] == ["picture"] * 3
    assert (len(made), cache.hits, cache.misses) == (1, 2, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12))))
def test_it_counts_exactly_the_bytes_that_it_holds(puts):
    cache = Cache(max_bytes=20, sizeof=len)
    last = {}
    for key, size in puts:
        cache.put(key, bytes(size))
        last[key] = bytes(size)
        held = {key: cache.get(key) for key in range(6)}
        assert cache.bytes == sum(len(value) for value in held.values() if value is not None) <= 20
        assert all(value in (None, last.get(key)) for key, value in held.items())
        assert held[key] == bytes(size)


def test_threads_do_not_lose_count():
    cache = Cache(max_bytes=500, sizeof=len)

    def work(worker):
        for i in range(2000):
            cache.put((worker * i) % 37, bytes(i % 60))
            cache.get(i % 37)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    kept = [cache.get(key) for key in range(37)]
    assert cache.bytes == sum(len(value) for value in kept if value is not None) <= 500
