"""What is told of the machine in a report: what it is, what it can do, and what runs on it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import native
import peers
import store
from measuring import Setting, Worker, alone


def measure(setting: Setting) -> store.Group:
    """A group with the facts, the versions of the peers, and the rates that bound every program."""
    worker = Worker("NumPy", 1, setting.python)
    described = worker.ask(do="describe", packages=peers.PACKAGES)
    worker.stop()
    versions = dict(described["versions"])
    if native.compiler():
        versions["C compiler"] = native.version()
    with alone():
        rates = native.rates(setting.folder) if native.compiler() else {}
    return store.group(store.Key("machine"), machine=facts(), versions=versions, blas=described["blas"], rates=rates)


def facts() -> dict[str, str]:
    """Processor, caches and system."""
    cpu = _lscpu()
    caches = ", ".join(f"{level} {cpu[f'{level} cache']}" for level in ("L1d", "L2", "L3") if f"{level} cache" in cpu)
    vector = "AVX-512" if "avx512f" in cpu.get("Flags", "") else "AVX2" if "avx2" in cpu.get("Flags", "") else "no AVX2"
    return {
        "processor": f"{cpu.get('Model name', platform.machine())}"
        f" (family {cpu.get('CPU family', '?')}, model {cpu.get('Model', '?')}), {os.cpu_count()} cores, {vector}",
        "caches": caches or "unknown",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def _lscpu() -> dict[str, str]:
    if not Path("/usr/bin/lscpu").exists():
        return {}
    text = subprocess.run(["lscpu"], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}).stdout
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
