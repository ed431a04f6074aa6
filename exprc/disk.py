"""Files onto the disk, whole or not at all: first under another name in the same folder, then renamed.

Errors are the system's own; what to say of them is known to those who write.
"""

from __future__ import annotations

import errno
import os

_EXECUTABLE = (".so", ".dylib", ".dll")


def replace_file(path: str, content: bytes) -> None:
    """The content under a name that the user gave: whole, or what was there before stays.  Links are followed and
    permissions kept; what is no file, as a terminal, is written to."""
    place = os.path.realpath(path)
    known = os.path.exists(place)
    if known and not os.path.isfile(place):
        with open(place, "wb") as file:
            file.write(content)
        return
    if known and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    beside = write_beside(place, content, ".new")
    try:
        if known:
            os.chmod(beside, os.stat(place).st_mode & 0o7777)
        os.replace(beside, place)
    except BaseException:
        os.unlink(beside)
        raise


def write_beside(path: str, content: bytes, ending: str) -> str:
    """Write to a new hidden file in the same folder, whose name it returns; nothing is left behind on failure."""
    folder, name = os.path.split(path)
    mode = 0o777 if name.endswith(_EXECUTABLE) else 0o666
    beside = os.path.join(folder, f".exprc-{os.urandom(8).hex()}{ending}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        os.unlink(beside)
        raise
    return beside
