"""What somebody who meets the compiler for the first time tries: odd values of options."""

from __future__ import annotations

from pathlib import Path

import pytest

from exprc.cli.main import run

Captured = pytest.CaptureFixture[str]


IMPOSSIBLE = ("n", "n=", "n=x", "n=-1", "n=_5", "n=1__0", "n=1.0", "1=2", f"n={2**63}", f"n={10**30}")


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_a_size_that_cannot_be_is_refused(text: str, tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "model.expr"
    program.write_text("dim n\ninput x : f64[n]\noutput y = 2 * x\n")
    assert run(["check", str(program), "--dim", text]) == 2
    assert "--dim" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["n=0", " n = 1_000", f"n={2**63 - 1}"])
def test_a_size_that_can_be_is_taken(text: str, tmp_path: Path) -> None:
    program = tmp_path / "model.expr"
    program.write_text("dim n\ninput x : f64[n]\noutput y = 2 * x\n")
    assert run(["check", str(program), "--dim", text]) == 0
