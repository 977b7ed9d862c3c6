"""One run of stable-diffusion.cpp for `peers.py`: seconds a denoising step, as JSON.

Runs under a Python that has stable_diffusion_cpp and perhaps nothing else: folder, type, side, threads.
"""

import itertools
import json
import os
import sys
import time

from stable_diffusion_cpp import StableDiffusion

STEPS = 2


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

    def told(step: int, *_: object) -> None:
        moments.append(time.perf_counter())
        if step == STEPS:  # its decoder is not what is measured
            steps = [later - earlier for earlier, later in itertools.pairwise(moments)]
            print(json.dumps({"kind": kind, "seconds": steps[-1]}), flush=True)
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
