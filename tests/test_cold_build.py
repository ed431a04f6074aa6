"""What the time of a cold build is made of, as counts: processes, LLVM instructions, heavy modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from exprc import driver
from exprc.source import Source

EXAMPLE = Path(__file__).parent.parent / "examples" / "logistic_regression.expr"
MOST_INSTRUCTIONS = 3000
HEAVY = {"numpy", "scipy", "lark", "asyncio", "unittest", "xml"}
SPAWNING = ("os.posix_spawn", "os.fork", "os.exec", "os.system", "subprocess.Popen")

SCRIPT = """
import sys
started = []
sys.addaudithook(lambda event, arguments: started.append(event) if event in {events!r} else None)
from exprc.cli.main import run
status = run(["build", {example!r}, "-o", {folder!r}])
print(status, len(started), " ".join(sorted(sys.modules)), file=sys.stderr)
"""


def test_one_process_is_started_and_nothing_heavy_imported(tmp_path: Path) -> None:
    script = SCRIPT.format(events=SPAWNING, example=str(EXAMPLE), folder=str(tmp_path))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, processes, *modules = result.stderr.splitlines()[-1].split()
    assert (status, processes) == ("0", "1")  # the linker
    assert not HEAVY & set(modules)


def test_llvm_instructions_of_the_example() -> None:
    source = Source(str(EXAMPLE), EXAMPLE.read_text())
    text = driver.show(source, driver.Options(name="logistic_regression"), "lower")
    instructions = [line for line in text.splitlines() if line.startswith("  ")]
    assert 500 < len(instructions) <= MOST_INSTRUCTIONS
