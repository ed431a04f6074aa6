"""GPU kernels run on this machine: the same IR, thread by thread, from barrier to barrier.

The threads of a block take turns in a given order; each runs until it waits at a barrier.  So a barrier that is missing
shows in one order or another, and one that not all threads reach shows as a difference in how often they waited.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Sequence
from typing import Any

import lower_support as s

from exprc.lower import host_target, load_in_process
from exprc.lower.ptx import BARRIER, BLOCK, BLOCKS, THREAD, TRIPLE, lower_plan_ptx
from exprc.lower.ptx_launch import Launch, plan_launches
from exprc.schedule.kernel import Plan

WAIT = ctypes.CFUNCTYPE(None, ctypes.c_int32)
POSITION = {THREAD: "%host.thread", BLOCK: "%host.block", BLOCKS: "%host.blocks"}


def on_host(ir: str) -> str:
    """The same functions, whose indices and barrier are parameters."""
    text = ir.replace(TRIPLE, host_target().triple)
    text = re.sub(r"^declare .*@llvm\.nvvm\..*\n", "", text, flags=re.M)
    head = "i32 %host.thread, i32 %host.block, i32 %host.blocks, ptr %host.wait"
    text = re.sub(r"define ptx_kernel (void @\S+?)\((?=\))", rf"define \1({head}", text)
    text = re.sub(r"define ptx_kernel (void @\S+?)\(", rf"define \1({head}, ", text)
    for name, parameter in POSITION.items():
        text = text.replace(f"call i32 @{name}()", f"add i32 {parameter}, 0")
    text = text.replace(f"call void @{BARRIER}(i32 0)", "call void %host.wait(i32 %host.thread)")
    assert "nvvm.read" not in text
    assert "ptx_kernel" not in text
    return text


class Turns:
    """Whose turn it is among the threads of a block."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order = list(order)
        self.following = dict(zip(self.order, [*self.order[1:], self.order[0]], strict=True))
        self.locks = {thread: threading.Lock() for thread in self.order}
        self.waits = dict.fromkeys(self.order, 0)
        self.done: set[int] = set()
        for lock in self.locks.values():
            lock.acquire()

    def wait(self, thread: int) -> None:
        self.waits[thread] += 1
        self.pass_on(thread)
        self.locks[thread].acquire()

    def pass_on(self, thread: int) -> None:
        following = self.following[thread]
        while following in self.done and following != thread:
            following = self.following[following]
        self.locks[following].release()

    def run(self, body: Any) -> None:
        """Runs body(thread) in threads of their own."""

        def turn(thread: int) -> None:
            self.locks[thread].acquire()
            body(thread)
            self.done.add(thread)
            self.pass_on(thread)

        threads = [threading.Thread(target=turn, args=(thread,), daemon=True) for thread in self.order]
        for one in threads:
            one.start()
        self.locks[self.order[0]].release()
        for one in threads:
            one.join(30)
            assert not one.is_alive(), "a thread waits forever"
        assert len(set(self.waits.values())) == 1, "a barrier that not all threads reach"


class Device:
    """A plan's launches, ready to run on this machine.

    `ir` may be a changed form of what the plan lowers to; `blocks`, where it is not 0, is the size of every grid.
    """

    def __init__(self, plan: Plan, ir: str = "") -> None:
        self.plan, self.blocks = plan, 0
        self.launches = plan_launches(plan)
        self.ir = ir or lower_plan_ptx(plan)
        self.engine = load_in_process(on_host(self.ir), host_target())

    def __call__(self, dims: dict[str, int], *arguments: Any, backwards: bool = False) -> list[Any]:
        """Runs all launches on arrays and returns the results."""
        memory: dict[str, Any] = {}
        for buffer, value in zip(self.plan.arguments, arguments, strict=True):
            array = self._array(buffer, dims)
            array[...] = value
            memory[buffer.name] = array
        for buffer in (*self.plan.results, *self.plan.workspace):
            memory[buffer.name] = self._array(buffer, dims)
        for launch in self.launches:
            for buffer in launch.buffers:
                if buffer.name not in memory:
                    memory[buffer.name] = self._array(buffer, dims)
            self.run(launch, dims, memory, backwards)
        return [memory[buffer.name] for buffer in self.plan.results]

    def run(self, launch: Launch, dims: dict[str, int], memory: dict[str, Any], backwards: bool = False) -> None:
        """One launch; blocks one after another."""
        kinds = [ctypes.c_int32] * 3 + [ctypes.c_void_p]
        kinds += [ctypes.c_int64] * len(launch.dims) + [ctypes.c_void_p] * len(launch.buffers)
        function = ctypes.CFUNCTYPE(None, *kinds)(self.engine.get_function_address(launch.name))
        arguments = [dims[name] for name in launch.dims]
        arguments += [memory[buffer.name].ctypes.data for buffer in launch.buffers]
        order = range(launch.threads)[:: -1 if backwards else 1]
        blocks = self.blocks or launch.blocks(dims)
        for block in range(blocks)[:: -1 if backwards else 1]:
            if launch.shared:
                turns = Turns(order)
                wait = WAIT(turns.wait)
                address = ctypes.cast(wait, ctypes.c_void_p)
                turns.run(lambda thread: function(thread, block, blocks, address, *arguments))  # noqa: B023
            else:
                for thread in order:
                    function(thread, block, blocks, None, *arguments)

    def _array(self, buffer: Any, dims: dict[str, int]) -> Any:
        return s.plain(tuple(size.evaluate(dims) for size in buffer.shape), s.NUMPY[buffer.dtype])


def same_bits(left: Any, right: Any) -> bool:
    """Whether two lists of arrays are equal, NaN included, and the sign of zero."""
    pairs = zip(left, right, strict=True)
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def without_barrier(ir: str, number: int) -> str:
    """The IR without one of its barriers."""
    parts = ir.split(f"call void @{BARRIER}(i32 0)\n")
    assert number < len(parts) - 1
    joined = parts[0]
    for position, part in enumerate(parts[1:]):
        joined += ("" if position == number else f"call void @{BARRIER}(i32 0)\n") + part
    return joined


def barriers(ir: str) -> int:
    """The number of barriers."""
    return ir.count(f"call void @{BARRIER}(i32 0)\n")

