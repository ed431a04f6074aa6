"""Memory for operands that ends, or begins, at a page that cannot be touched; used again for every program."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

PAGE = mmap.PAGESIZE
_SLOTS, _PAGES = 48, 40


class Arena:
    """Slots of memory with a protected page before and after each."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._stride = (_PAGES + 1) * PAGE
        self._memory, self._start = self._map(_SLOTS * self._stride + PAGE)
        for slot in range(_SLOTS + 1):
            self._protect(self._start + slot * self._stride)
        self._used = 0
        self._kept: list[Any] = []

    def reset(self) -> None:
        """All arrays given so far are done with."""
        self._used = 0
        self._kept.clear()

    def array(self, shape: tuple[int, ...], dtype: Any, at_start: bool = False) -> np.ndarray:
        """An array of bytes 0xff whose end, or whose start, is next to a protected page."""
        count, width = int(np.prod(shape, dtype=np.int64)), np.dtype(dtype).itemsize
        memory, first, room = self._slot(count * width)
        place = first if at_start else first + room - count * width
        array = np.frombuffer(memory, dtype, count, place) if count else np.zeros(0, dtype)
        array.view(np.uint8)[:] = 255
        return array.reshape(shape)

    def _slot(self, size: int) -> tuple[mmap.mmap, int, int]:
        if size <= _PAGES * PAGE and self._used < _SLOTS:
            first = self._used * self._stride + PAGE
            self._used += 1
            return self._memory, first, _PAGES * PAGE
        pages = -(-size // PAGE)
        memory, start = self._map((pages + 2) * PAGE)
        self._protect(start)
        self._protect(start + (pages + 1) * PAGE)
        self._kept.append(memory)
        return memory, PAGE, pages * PAGE

    def _map(self, size: int) -> tuple[mmap.mmap, int]:
        memory = mmap.mmap(-1, size)
        return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))

    def _protect(self, address: int) -> None:
        assert self._libc.mprotect(ctypes.c_void_p(address), PAGE, 0) == 0
