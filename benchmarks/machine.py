"""What is told of the machine in a report."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path


def facts() -> dict[str, str]:
    """Processor, caches, system, date, and how busy the machine is."""
    cpu = _lscpu()
    caches = ", ".join(f"{level} {cpu[f'{level} cache']}" for level in ("L1d", "L2", "L3") if f"{level} cache" in cpu)
    vector = "AVX-512" if "avx512f" in cpu.get("Flags", "") else "AVX2" if "avx2" in cpu.get("Flags", "") else "no AVX2"
    return {
        "processor": f"{cpu.get('Model name', platform.machine())}"
        f" (family {cpu.get('CPU family', '?')}, model {cpu.get('Model', '?')}), {os.cpu_count()} cores, {vector}",
        "caches": caches or "unknown",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "date": datetime.date.today().isoformat(),
        "load when it began": f"{os.getloadavg()[0]:.1f} runnable processes",
    }


def _lscpu() -> dict[str, str]:
    if not Path("/usr/bin/lscpu").exists():
        return {}
    text = subprocess.run(["lscpu"], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}).stdout
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
