"""Miniflare of both generations, and the vitest pool, through the npm package's one-line helper."""

import nodejs
import pytest
from answers import picture


@pytest.mark.parametrize("generation", [4, 5])
def test_miniflare(script, generation):
    done = script("miniflare.mjs", generation).json
    assert picture(done["outcome"]["result"]["image"]).size == (256, 256)
    assert picture(done["image"]).size == (256, 256)


def test_vitest_pool_workers(npm, env):
    """Twice five tests: once by an environment of wrangler.jsonc, once by the helper."""
    done = nodejs.run([nodejs.NODE, npm / "node_modules/vitest/vitest.mjs", "run"], npm, env, seconds=120)
    assert done.returncode == 0, done.output
    assert "10 passed" in done.output
