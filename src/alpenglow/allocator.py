"""glibc's allocator, told to give memory back. Elsewhere than on Linux with glibc none of this does anything."""

import ctypes
import sys

MMAP_THRESHOLD = -3
"""Its number in glibc's malloc.h."""


def give_back_large_tensors() -> None:
    """From now on return blocks of 16 MB and more as soon as they are freed, instead of filling their place bit by bit.

    Left alone glibc moves this limit up to 32 MB, and pictures of many sizes leave holes that no next one fits.
    """
    _glibc("mallopt", MMAP_THRESHOLD, 2**24)


def give_back_what_is_free() -> None:
    """Return to the system what was freed: a thread would keep it, gigabytes after a few photographs, for its next."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *args: int) -> None:
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), function):
        getattr(libc, function)(*args)
