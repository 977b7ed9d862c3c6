"""Makes the demo checkpoint from scratch: data, autoencoder, flow, export. `python -m alpenglow.training --help`."""
