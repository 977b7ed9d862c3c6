"""One run of stable-diffusion.cpp for `peers.py`: seconds a denoising step, as JSON.

Runs under a Python that has stable_diffusion_cpp and perhaps nothing else: folder, type, side, threads.
"""

import itertools
import json
import os
import statistics
import sys
import time

from stable_diffusion_cpp import StableDiffusion

STEPS = 4
ANSWER = os.dup(1)
"""Standard output under a name of our own: the library sends what is printed meanwhile to nowhere."""


def main(folder: str, kind: str, side: str, threads: str) -> None:
    model = StableDiffusion(
        diffusion_model_path=f"{folder}/transformer.safetensors",
        llm_path=f"{folder}/llm.safetensors",
        vae_path=f"{folder}/ae.safetensors",
        wtype=kind,
        n_threads=int(threads),
        diffusion_flash_attn=True,
        verbose=False,
    )
    moments: list[float] = []

    def told(step: int, steps: int, _: float) -> None:
        if steps != STEPS:  # it tells of tensors being loaded, too
            return
        moments.append(time.perf_counter())
        if step == STEPS:  # its decoder is not what is measured
            seconds = statistics.median(later - earlier for earlier, later in itertools.pairwise(moments))
            os.write(ANSWER, json.dumps({"kind": kind, "seconds": seconds}).encode() + b"\n")
            os._exit(0)

    model.generate_image(
        prompt="a sunset at the alps",
        width=int(side),
        height=int(side),
        sample_steps=STEPS,
        cfg_scale=1.0,
        seed=1,
        progress_callback=told,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
