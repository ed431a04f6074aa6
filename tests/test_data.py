"""`exprc run` on files: what is read from them, what is said of bad ones, what is written."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exprc.cli.data import Data, load_data
from exprc.cli.main import run
from exprc.cli.results import listing, save_results
from exprc.diagnostics import UserError

Captured = pytest.CaptureFixture[str]
MODEL = """dim n, d
input X : f64[n, d]
input y : f64[n]
input k : i64[n]
input ok : bool[n]
input s : f32
param w : f64[d] = zeros
r = where(ok, X @ w - y, 0)
loss E = sum(r^2) + s + sum(k)
output r
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("model.expr").write_text(MODEL)
    return tmp_path


def table(text: str | bytes, name: str = "t.csv") -> Data:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_data([name])


def refusal(*files: str) -> str:
    with pytest.raises(UserError) as caught:
        load_data(files)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0708"
    return diagnostic.message


# ---- tables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2.5\n3,4\n", {"t": [[1, 2.5], [3, 4]], "a": [1, 3], "b": [2.5, 4]}),
        ('"a","b"\r\n"1","2"\r\n', {"t": [[1, 2]], "a": [1], "b": [2]}),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", {"t": [[1, 2]], "a": [1], "b": [2]}),
        ("1,2\n3,4\n", {"t": [[1, 2], [3, 4]]}),
        ("1\n2\n3", {"t": [[1], [2], [3]]}),
        ("t\n1\n2\n", {"t": [1, 2]}),
        ("\n a , b \n\n 1 , 2 \n\n", {"t": [[1, 2]], "a": [1], "b": [2]}),
        ("x\nnan\n-inf\n1e3\n", {"t": [[np.nan], [-np.inf], [1000]], "x": [np.nan, -np.inf, 1000]}),
        ("nan,1\n2,3\n", {"t": [[np.nan, 1], [2, 3]]}),
        ("a,b\n", {"t": np.zeros((0, 2)), "a": [], "b": []}),
        ("a,species\n1,cat\n2,\"dog, old\"\n", {"a": [1, 2]}),
        ("a,b\ntrue,1\nFALSE,2\n", {"t": [[1, 1], [0, 2]], "a": [True, False], "b": [1, 2]}),
        ("a,a,b\n1,2,3\n", {"t": [[1, 2, 3]], "b": [3]}),
        ("1_000,a\n1,2\n", {"t": [[1, 2]], "1_000": [1], "a": [2]}),
        ("9007199254740993\n", {"t": [[9007199254740993]]}),
        ("a#b,c\n1,2\n", {"t": [[1, 2]], "a#b": [1], "c": [2]}),
    ],
    ids=range(16),
)
def test_tables(text: str | bytes, expected: dict[str, Any]) -> None:
    found = table(text)
    assert sorted(found.arrays) == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found.arrays[name], values)
        assert found.arrays[name].shape == np.shape(values)
    assert found.texts >= set(found.arrays)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("\n \n", "it is empty"),
        ("a;b\n1;2\n", "columns are separated by commas"),
        ("a\tb\n1\t2\n", "columns are separated by commas"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, not 2"),
        ("1,2\n\n3\n", "line 3 has 1 cell, not 2"),
        ("1,2\n3,x\n", "line 2, column 2: 'x' is no number"),
        ("1,\n2,3\n", "line 1, column 2: a cell is empty; write nan where a value is missing"),
        ("1,2\n3,1_000\n", "line 2, column 2: '1_000' is no number"),
        ('a,b\n1,"2\n', "a cell in quotes does not end"),
        (b"a,b\n\xff,1\n", "it is not UTF-8: byte 0xff at offset 4"),
        ("1,2\n3,N/A\n", "line 2, column 2: 'N/A' is no number; write nan where a value is missing"),
        ("1,2\n-1e999,3\n", "line 2, column 1: -1e999 is beyond the largest f64"),
        (f"1,2\n{'9' * 400},3\n", "is beyond the largest f64"),
    ],
    ids=range(14),
)
def test_what_is_no_table(text: str | bytes, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        table(text)
    assert reason in caught.value.diagnostics[0].message


def test_names_are_compared_as_those_of_the_program() -> None:
    """After NFKC: a file system or a spreadsheet may have taken letters and accents apart."""
    apart, whole = unicodedata.normalize("NFD", "größe"), "größe"
    assert apart != whole
    assert load_data([f"{apart}=1.5"]).arrays == {whole: 1.5}
    found = table(f"{apart},\u00b5g\n1,2\n3,4\n", f"{apart}.csv")
    assert set(found.arrays) == {whole, "\u03bcg"}
    chosen = load_data([f"X={apart}.csv:{whole},\u00b5g"])
    assert chosen.arrays["X"].tolist() == [[1, 2], [3, 4]]
    np.savez("d.npz", **{apart: np.ones(2)})
    assert set(load_data(["d.npz"]).arrays) == {whole}
    np.savez("d.npz", **{apart: np.ones(2), whole: np.zeros(2)})
    assert load_data(["d.npz"]).problems == {whole: "several arrays of d.npz have this name"}
    Path("m.expr").write_text(f"dim \u00b5\noutput {whole} = 2 * \u00b5\noutput b = 1\n")
    assert run(["run", "m.expr", "--only", apart, "--dim", "\u00b5=3"]) == 0


def test_infinities_are_written_as_words() -> None:
    assert table("inf,-Infinity\n1,2\n").arrays["t"].tolist() == [[np.inf, -np.inf], [1, 2]]
    assert load_data(["a=inf"]).arrays["a"] == np.inf
    assert load_data(["a=1e999"]).problems == {"a": "1e999 is beyond the largest f64"}


def test_a_bad_column_only_matters_to_who_asks_for_it(capsys: Captured) -> None:
    found = table("a,b,c\n1,,x\n")
    assert found.problems["b"] == "line 2, column `b`: a cell is empty; write nan where a value is missing"
    assert found.problems["c"] == "line 2, column `c`: 'x' is no number"
    Path("one.expr").write_text("input a : f64\ninput c : f64\noutput p = 2 * a\n")
    assert run(["run", "one.expr", "--data", "t.csv"]) == 0
    assert capsys.readouterr().out == "p = 2.0\n"
    Path("one.expr").write_text("input a : f64\ninput c : f64\noutput p = c * a\n")
    assert run(["run", "one.expr", "--data", "t.csv"]) == 1
    error = capsys.readouterr().err
    assert "the data has no array `c`: line 2, column `c`: 'x' is no number" in error
    assert "line 2: input c : f64" in error


def test_columns_of_two_tables_and_names_that_are_given() -> None:
    Path("a.csv").write_text("id,u\n1,2\n")
    Path("b.csv").write_text("id,v\n3,4\n")
    found = load_data(["a.csv", "b.csv"])
    assert found.problems == {"id": "it is in a.csv and in b.csv"}
    assert found.arrays["u"] == [2] and found.arrays["v"] == [4]
    np.save("c.npy", 7.0)
    assert load_data(["a.csv", "b.csv", "id=c.npy"]).arrays["id"] == 7
    assert load_data(["id=a.csv"]).arrays == {"id": [1]}
    np.savez("d.npz", p=1, q=2)
    assert "it has 2 arrays, and none is `r`" in refusal("r=d.npz")
    assert load_data(["q=d.npz"]).arrays == {"q": 2}
    Path("x=1.csv").write_text("5\n")
    assert load_data(["x=1.csv"]).arrays["x=1"] == [[5]]


# ---- arrays


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


def strange_files() -> dict[str, bytes]:
    whole = io.BytesIO()
    np.savez(whole, a=np.arange(1000.0))
    array = io.BytesIO()
    np.save(array, np.arange(1000.0))
    objects = io.BytesIO()
    np.save(objects, np.array([Trap()]), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", objects.getvalue())
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }"
    return {
        "pickle.npy": pickle.dumps(Trap()),
        "pickle.npz": pickle.dumps(Trap()),
        "objects.npy": objects.getvalue(),
        "objects.npz": archive.getvalue(),
        "empty.npy": b"",
        "empty.npz": b"",
        "cut.npy": array.getvalue()[:4000],
        "head.npy": array.getvalue()[:40],
        "cut.npz": whole.getvalue()[:4000],
        "noise.npz": b"PK\x03\x04" + bytes(range(256)),
        "other.npz": array.getvalue(),
        "other.npy": whole.getvalue(),
        "huge.npy": b"\x93NUMPY\x01\x00\x76\x00" + (header % b"10**18").ljust(117) + b"\n",
        "large.npy": b"\x93NUMPY\x01\x00\x76\x00" + (header % b"1000000000000").ljust(117) + b"\n",
        "code.npy": b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').mkdir('trapped')".ljust(117) + b"\n",
        "text.txt": b"1",
    }


# ---- columns of a table as one array

TABLE = 'id,age,"weight, kg",a..b,sex,y\na,1,2,7,f,3\nb,4,5.5,8,m,6\n'


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("age", [[1], [4]]),
        ("y,age", [[3, 1], [6, 4]]),
        ('age,"weight, kg"', [[1, 2], [4, 5.5]]),
        ("age..a..b", [[1, 2, 7], [4, 5.5, 8]]),
        ("a..b,y", [[7, 3], [8, 6]]),
        ("age .. a..b, y", [[1, 2, 7, 3], [4, 5.5, 8, 6]]),
        ('"age..weight, kg",y', [[1, 2, 3], [4, 5.5, 6]]),
        ("age,age", [[1, 1], [4, 4]]),
        ("y..age", "column `age` stands before `y`"),
        ("wieght, kg", "no column `wieght`; its columns are id, age, weight, kg"),
        ("agee", "no column `agee`; did you mean `age`?"),
        ("", "no column ``; its columns are id, age"),
    ],
)
def test_columns_of_a_table_are_one_array(columns: str, expected: list[list[float]] | str) -> None:
    Path("t.csv").write_text(TABLE)
    if isinstance(expected, str):
        assert expected in refusal("t.csv", f"X=t.csv:{columns}")
        return
    found = load_data(["t.csv", f"X=t.csv:{columns}"])
    assert found.arrays["X"].tolist() == expected and "X" in found.texts
    assert found.arrays["age"].tolist() == [1, 4]
    assert load_data([f"t.csv:{columns}"]).arrays["t"].tolist() == expected


def test_what_is_wrong_with_columns() -> None:
    Path("t.csv").write_text(TABLE)
    assert load_data(["X=t.csv:age,sex"]).problems == {"X": "line 2, column `sex`: 'f' is no number"}
    Path("t.csv:age").write_text("1\n")
    assert "data comes as" in refusal("X=t.csv:age")  # a file of that name is taken as it is
    Path("u.csv").write_text("a,a\n1,2\n")
    assert "several columns have the name `a`" in refusal("X=u.csv:a")
    Path("u.csv").write_text("1,2\n")
    assert "no column `a`; its columns have no names" in refusal("X=u.csv:a")


def test_a_matrix_of_columns_in_a_run(capsys: Captured) -> None:
    Path("lines.expr").write_text(
        "dim n, d\ninput X : f64[n, d]\ninput y : f64[n]\nparam w : f64[d] = 1\nloss E = sum((X @ w - y)^2)\n"
    )
    Path("t.csv").write_text(TABLE)
    assert run(["run", "lines.expr", "--data", "t.csv"]) == 1
    assert "`--data X=table.csv:a,b` makes it of columns" in capsys.readouterr().err
    assert run(["run", "lines.expr", "--data", "t.csv", "X=t.csv:age,a..b"]) == 0
    assert capsys.readouterr().out == "E = 61.0\n"
    assert run(["check", "lines.expr", "--grad", "--data", "t.csv", "X=t.csv:age"]) == 0
    assert run(["run", "lines.expr", "--data", "X=t.csv:age", "t.csv", "-o", "t.csv"]) == 2


@pytest.mark.parametrize("name", strange_files())
def test_strange_files_are_refused_and_nothing_is_executed(name: str, capsys: Captured) -> None:
    Path(name).write_bytes(strange_files()[name])
    assert f"cannot read data from `{name}`: " in refusal(name)
    assert run(["run", "model.expr", "--data", name]) == 1
    assert capsys.readouterr().err.startswith("error[E0708]: ")
    assert not Path("trapped").exists()


def test_what_is_no_regular_file() -> None:
    os.mkfifo("pipe.npy")
    Path("folder.csv").mkdir()
    for name in ("pipe.npy", "folder.csv"):
        assert refusal(name).endswith("it is no regular file")
    assert "no such file" in refusal("missing.npz")


def test_dtypes_that_are_no_numbers() -> None:
    np.savez("a.npz", z=np.array(1j), s=np.array(["a"]), x=np.array(1.0))
    found = load_data(["a.npz"])
    assert sorted(found.arrays) == ["x"]
    assert found.problems["z"] == "its dtype is complex128"


# ---- the whole way


def write_data() -> None:
    Path("X.csv").write_text("1,2\n3,4\n5,6\n")
    Path("t.csv").write_text("id,y,k,ok,name\n1,0.5,1,1,a\n2,1,2,0,b\n3,2,3,1,c\n")
    Path("s.csv").write_text("0.1\n")


def test_text_takes_the_declared_dtype(capsys: Captured) -> None:
    write_data()
    Path("w.csv").write_text("1,-1\n")
    assert run(["run", "model.expr", "--data", "X.csv", "t.csv", "s.csv", "w.csv", "--grad", "-o", "out.npz"]) == 0
    with np.load("out.npz") as found:
        residual = np.array([-1 - 0.5, 0, -1 - 2])
        np.testing.assert_allclose(found["r"], residual)
        np.testing.assert_allclose(found["E"], (residual**2).sum() + np.float32(0.1) + 6)
        np.testing.assert_allclose(found["dE_dw"], 2 * np.array([[1, 2], [3, 4], [5, 6]]).T @ residual)
    Path("t.csv").write_text("y,k,ok\n1,1.5,1\n1,2,0\n2,3,1\n")
    assert run(["run", "model.expr", "--data", "X.csv", "t.csv", "s.csv"]) == 1
    error = capsys.readouterr().err
    assert "`input k : i64[n]` (model.expr, line 4)" in error


def test_a_param_that_is_nearly_in_the_data(capsys: Captured) -> None:
    write_data()
    Path("W.csv").write_text("1\n1\n")
    assert run(["run", "model.expr", "--data", "X.csv", "t.csv", "s.csv", "W.csv", "--only", "r"]) == 0
    assert "lint[L0701]: `w` has its start value: the data has `W` but no `w`" in capsys.readouterr().err
    assert run(["run", "model.expr", "--data", "X.csv", "t.csv", "s.csv", "w=W.csv", "--only", "r"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": None}, "the data has no array `X`"),
        ({"X": None, "x": np.ones((3, 2))}, "did you mean `x`? `--data X=FILE`"),
        ({"y": np.ones(4)}, "has size 4, but `input y : f64[n]` (model.expr, line 3) needs 3"),
        ({"w": np.ones((2, 1))}, "`param w : f64[d] = zeros` (model.expr, line 7) has 1 axis"),
        ({"k": np.ones(3)}, "model.expr, line 4"),
        ({"ok": np.ones(3)}, "model.expr, line 5"),
        ({"s": np.array(1.0)}, "model.expr, line 6"),
    ],
    ids=range(7),
)
def test_arrays_that_do_not_fit(change: dict[str, Any], message: str, capsys: Captured) -> None:
    data: dict[str, Any] = {"X": np.ones((3, 2)), "y": np.ones(3), "k": np.arange(3), "ok": np.ones(3, bool),
                            "s": np.float32(1), "w": np.ones(2)}  # fmt: skip
    data |= change
    np.savez("a.npz", **{name: value for name, value in data.items() if value is not None})
    assert run(["run", "model.expr", "--data", "a.npz"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error[E0709]: ")
    assert message in error


def test_integers_and_flags_of_archives(capsys: Captured) -> None:
    np.savez("a.npz", X=np.ones((3, 2), int), y=np.ones(3, np.float32), k=np.arange(3, dtype=np.int8),
             ok=np.ones(3, bool), s=np.float32(1), unused=np.ones(7))  # fmt: skip
    assert run(["run", "model.expr", "--data", "a.npz", "--only", "E"]) == 0
    assert capsys.readouterr() == ("E = 7.0\n", "")


# ---- results

RESULTS = {"E": 1.5, "dE/dw": np.array([1.0, np.nan, -np.inf]), "k": np.int64(3), "ok": True}


def test_results_as_json() -> None:
    save_results("out.json", RESULTS)
    found = json.loads(Path("out.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert found == {"E": 1.5, "dE/dw": [1.0, "nan", "-inf"], "k": 3, "ok": True}


def test_results_as_a_table_that_is_read_again() -> None:
    save_results("out.csv", {"a": np.array([0.1, 2.0]), "M": np.array([[1.0, 2.0], [3.0, 4.0]])})
    with open("out.csv", newline="") as file:
        assert list(csv.reader(file)) == [["a", "M[0]", "M[1]"], ["0.1", "1.0", "2.0"], ["2.0", "3.0", "4.0"]]
    assert load_data(["out.csv"]).arrays["a"].tolist() == [0.1, 2.0]
    with pytest.raises(UserError, match="different numbers of rows"):
        save_results("out.csv", {"a": np.ones(2), "b": np.ones(3)})
    with pytest.raises(UserError, match="3 axes"):
        save_results("out.csv", {"a": np.ones((2, 2, 2))})


def test_names_in_archives_stay_apart() -> None:
    save_results("out.npz", {"dE/dw": 1.0, "dE_dw": 2.0})
    with np.load("out.npz") as found:
        assert {name: float(found[name]) for name in found} == {"dE/dw": 1.0, "dE_dw": 2.0}


def test_large_results_are_abbreviated() -> None:
    shown = listing({"E": 2.0, "a": np.arange(1e6), "M": np.zeros((1000, 1000)), "none": np.zeros((0, 3))})
    assert len(shown) < 1000
    assert "a : f64[1000000]\n" in shown and "M : f64[1000, 1000]\n" in shown
    assert listing({"w": np.array([1.5, -2.0])}) == "w = [ 1.5 -2. ]\n"
    assert "..." in shown
    assert shown.startswith("E = 2.0\n")


def test_a_failure_leaves_the_old_results(folder: Path, capsys: Captured) -> None:
    write_data()
    Path("out.npz").write_bytes(b"old")
    assert run(["run", "model.expr", "--data", "X.csv", "-o", "out.npz"]) == 1
    assert run(["run", "model.expr", "--data", "X.csv", "t.csv", "s.csv", "-o", "no/out.npz"]) == 1
    assert Path("out.npz").read_bytes() == b"old"
    before = sorted(os.listdir())
    os.symlink("out.npz", "link.npz")
    assert run(["run", "model.expr", "--data", "X.csv", "t.csv", "s.csv", "-o", "link.npz"]) == 0
    assert Path("link.npz").is_symlink()
    assert Path("out.npz").read_bytes().startswith(b"PK")
    assert sorted(os.listdir()) == sorted([*before, "link.npz"])
