"""alpenglow: FLUX.2 [klein] on your own machine, behind Cloudflare Workers AI's API."""

__version__ = "0.1.0"
