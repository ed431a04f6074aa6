"""Which stage of the pipeline is running, told from a call stack, so that stages need not announce themselves."""

from __future__ import annotations

import sys
from types import FrameType, TracebackType

DRIVER = "exprc.driver"


def stage_of_thread(identity: int) -> str:
    """The stage that a thread is in at this moment; empty outside of all."""
    frame = sys._current_frames().get(identity)
    return _innermost(_callers(frame))


def stage_of_failure(trace: TracebackType | None) -> str:
    """The stage in which an exception arose; empty outside of all."""
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return _innermost(frames[::-1])


def _callers(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _innermost(frames: list[FrameType]) -> str:
    """The stage whose function is the first found, going from callee to caller."""
    driver = sys.modules.get(DRIVER)
    functions = [(getattr(stage.run, "__code__", None), str(stage.name)) for stage in getattr(driver, "STAGES", ())]
    stages = {code: name for code, name in functions if code}
    return next((stages[frame.f_code] for frame in frames if frame.f_code in stages), "")
