"""The networks and the mathematics between them: plain PyTorch, tensors in, tensors out.

No files, no environment, no logging, no choice of device or dtype.
"""
