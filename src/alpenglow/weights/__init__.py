"""Checkpoints on disk: the only package that opens model files."""
