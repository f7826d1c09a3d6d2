"""Loading runs nothing that nobody vouches for, and damage is noticed before anything is made of it."""

from __future__ import annotations

import builtins
import collections
import dataclasses
import io
import json
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import ArchiveError, ColabPanelError, TrustError
from colabpanel.services.snapshots import rebuild, trust
from colabpanel.services.snapshots.catalog import contents
from colabpanel.services.snapshots.codecs import builder_of
from colabpanel.services.snapshots.manifest import read_manifest
from colabpanel.services.snapshots.scan import scan
from colabpanel.services.snapshots.service import dump, load
from colabpanel.services.snapshots.unpickling import unknown_names, unpickle

RAN = "colabpanel_test_ran"
_reconstruct: Any = np.zeros(1).__reduce__()[0]
_frombuffer: Any = np.zeros(1).__reduce_ex__(5)[0]


class Evil:
    """What hostile pickles try to call."""

    def __reduce__(self) -> Any:
        return exec, (f"import builtins; builtins.{RAN} = True",)


@pytest.fixture(autouse=True)
def _nothing_ran(monkeypatch: pytest.MonkeyPatch) -> Any:
    yield
    assert not hasattr(builtins, RAN)


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _global(module: str, name: str) -> bytes:
    return b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93"


_LIST, _RANGE = _global("builtins", "list"), _global("builtins", "range")
_DECIMAL = _global("decimal", "Decimal")
_MANY = _RANGE + b"J\x00\x00\x00\x70\x85R"  # so many that their memory would be missed
_DEQUE = _global("collections", "deque")
HOSTILE = {
    "reduce": pickle.dumps(Evil()),
    "protocol 0": pickle.dumps(Evil(), 0),
    "protocol 2": pickle.dumps(Evil(), 2),
    "inst": b"(S'builtins'\nibuiltins\neval\n.",
    "old global": b"cos\nsystem\n(S'true'\ntR.",
    "dotted": b"\x80\x04" + _global("builtins", "set.__class__") + b".",
    "getattr": b"\x80\x04" + _global("builtins", "getattr") + b".",
    "import of ours": b"\x80\x04" + _global("colabpanel.services.files", "write_atomic") + b".",
    "our own module": b"\x80\x04" + _global("colabpanel.services.snapshots.rebuild", "_refuse") + b"(tR.",
    "hidden name": b"\x80\x04\x8c\x02os\x94h\x00\x8c\x06system\x93\x8c\x04true\x85R.",
    "numpy's back door": b"\x80\x04" + _global("numpy.testing._private.utils", "runstring") + b".",
    "codecs": b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.",
    "persistent": b"\x80\x04Ppid\n.",
    "extension": b"\x80\x02\x82\x01.",
    "attributes of a class": b"\x80\x04" + _global("pathlib", "PurePosixPath") + b"N}\x8c\x03abc\x8c\x01xs\x86b.",
    "a list of a range": b"\x80\x04" + _LIST + _RANGE + b"K\x05\x85R\x85R.",
    "a set of a range": b"\x80\x04" + _global("builtins", "set") + _RANGE + b"K\x05\x85R\x85R.",
    "a huge number": b"\x80\x04" + _global("builtins", "int") + _DECIMAL + b"\x8c\x031e9\x85R\x85R.",
    "nested tuples": b"\x80\x05})" + b"\x85" * 100_000 + b"K\x01s.",
    "doubled tuples": b"\x80\x05})" + b"".join(b"\x94h" + bytes([n]) + b"\x86" for n in range(60)) + b"K\x01s.",
    "an array over memory": b"\x80\x04" + _global("numpy", "ndarray") + b"K\x01\x85\x8c\x01OC\x08AAAAAAAA\x87R.",
    "a forged type": b"\x80\x04" + _global("numpy", "dtype") + b"\x8c\x01Tq\x00\x85R.",
    "a class made": b"\x80\x04" + _global("datetime", "date") + b")\x81.",
    "attributes of a singleton": b"\x80\x04" + _global("pandas", "NA") + b"}\x8c\x01aK\x01sb.",
    "endless fraction": b"\x80\x04" + _global("fractions", "Fraction") + b"\x8c\x0b1e999999999\x85R.",
    "a range in a list": b"\x80\x02]" + _global("builtins", "slice") + b"K\x00K\x00\x86R" + _MANY + b"s.",
    "a range as arguments": b"\x80\x02" + _global("collections", "OrderedDict") + b")R}b0" + _DEQUE + _MANY + b"R.",
    "a range as a state": b"\x80\x04" + _global("numpy", "dtype") + b"\x8c\x02i4\x85R" + _MANY + b"b.",
    "memo bomb": b"\x80\x02}r\xff\xff\xff\x7f.",
    "length bomb": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc.",
    "bytearray bomb": b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b"abc.",
    "cut": pickle.dumps(list(range(100)))[:-20],
    "empty": b"",
    "nonsense": bytes(range(256)),
    "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_pickles_run_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(ColabPanelError):
        unpickle(HOSTILE[name], trusted=False, what="This")
    if HOSTILE[name][:1] == b"\x80":
        with pytest.raises(ColabPanelError):
            load(_write(tmp_path / "a.pkl", HOSTILE[name]))


class Step:
    """A call with what BUILD is given afterwards, as a hostile pickle has it."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], state: Any = None) -> None:
        self.told = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.told


def _object_type() -> Step:
    return Step(np.dtype, ("O", False, True), (3, "|", None, None, None, -1, -1, 63))


@pytest.mark.parametrize(
    "value",
    [
        Step(np.dtype, ("V8", False, True), (3, "|", None, ("f0",), {"f0": (_object_type(), 0)}, 8, 1, 0)),
        Step(np.dtype, ("V8", False, True), (3, "|", None, ("f0",), {"f0": (np.dtype("i8"), 4096)}, 8, 1, 0)),
        Step(_reconstruct, (np.ndarray, (0,), b"b"), (1, (1 << 40,), np.dtype("i8"), False, b"12345678")),
        Step(_reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), _object_type(), False, b"12345678")),
        Step(_frombuffer, (190 << 20, np.dtype("u1"), (190 << 20,), "C")),
    ],
    ids=range(5),
)
def test_forged_states_of_numpy_are_refused(value: Any) -> None:
    with pytest.raises(ColabPanelError):
        unpickle(pickle.dumps(value, 4), trusted=False, what="This")


def _built(*arguments: Any) -> Step:
    return Step(rebuild.build, arguments)


@pytest.mark.parametrize(
    "value",
    [
        _built("this.that"),
        _built("numpy.bits", "PCG64", {"state": {}}, ((1,), (), 10**8, 0)),
        _built("numpy.bits", "MT19937", {"state": {"pos": 10**8}}, None),
        _built("numpy.random_state", {"state": {"pos": -5}}),
        _built("scipy.sparse", "csr_matrix", "csr", (2, 2), (np.ones(2), np.array([0, 2**30]), np.array([0, 1, 2]))),
        _built("scipy.sparse", "csc_matrix", "csc", None, [1]),
        _built("pandas.times", np.zeros(2, "M8[s]"), "dateutil//etc/passwd"),
        _built("torch.tensor", np.zeros(0, np.uint8), "float32", (1000,), (1,), False),
        _built("torch.tensor", np.zeros(8, np.uint8), "float32", (1000,), (1,), False),
        _built("torch.tensor", np.zeros(8, np.uint8), "quint8", (8,), (1,), False),
        _built("torch.tensor", np.zeros(8, np.uint8), "load", (8,), (1,), False),
    ],
    ids=range(11),
)
def test_hostile_arguments_of_codecs_are_refused(value: Any) -> None:
    for library in ("scipy", "pandas", "torch"):
        pytest.importorskip(library)
    rebuilders = {"build": lambda kind, *arguments: builder_of(kind)(None, *arguments)}
    with pytest.raises(ColabPanelError):
        unpickle(pickle.dumps(value, 4), trusted=False, what="This", rebuilders=rebuilders)


def test_an_image_that_claims_more_than_there_is(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")

    class Leaves:
        def bytes_of(self, _: int) -> bytes:
            return b"x"

    with pytest.raises(ValueError, match="size"):
        builder_of("PIL.pixels")(Leaves(), 0, ("RGB", (12_000, 12_000), None), {})
    assert pillow


def test_modules_are_not_imported_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_module.py").write_text(f"import builtins\nbuiltins.{RAN} = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ColabPanelError, match="not known here"):
        unpickle(
            pickle.dumps(_built("evil_module.thing"), 4),
            trusted=False,
            what="This",
            rebuilders={"build": lambda kind, *_: builder_of(kind)},
        )


def test_what_wants_to_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"a\.pkl holds code") as caught:
        load(_write(tmp_path / "a.pkl", HOSTILE["reduce"]))
    assert "builtins.exec" in caught.value.hint
    assert "trusted=True" in caught.value.hint
    found = contents(tmp_path / "a.pkl")
    assert [variable.needs for variable in found.variables] == [("builtins.exec",)]
    assert unknown_names(HOSTILE["hidden name"]) == ["os.system"]


def test_plain_pickles_load(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, "x", b"y", None, True], "b": np.arange(5), "c": {1, 2}, "d": (1,)}
    for protocol in range(6):
        path = _write(tmp_path / "data.pkl", pickle.dumps(value, protocol))
        found = load(path)["data"]
        assert found["a"] == value["a"]
        np.testing.assert_array_equal(found["b"], value["b"])
    assert load(path, names={"data": "x"})["x"]["c"] == {1, 2}


def test_trust_loads_everything(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pkl", pickle.dumps(ValueError("text")))
    with pytest.raises(TrustError):
        load(path)
    assert str(load(path, trusted=True)["a"]) == "text"


def test_what_this_user_wrote_loads_and_what_others_wrote_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path / "a.snapshot.zip"

    class Point:
        def __init__(self) -> None:
            self.x = np.arange(3)

    dump(path, {"point": Point(), "function": lambda x: x + 1, "data": [1, 2]})
    assert load(path)["function"](1) == 2
    assert contents(path).signed
    monkeypatch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path_factory.mktemp("somebody")))
    assert not contents(path).signed
    with pytest.raises(TrustError, match="point holds code"):
        load(path)
    assert load(path, names=["data"]) == {"data": [1, 2]}
    assert load(path, trusted=True)["point"].x.tolist() == [0, 1, 2]


def test_a_changed_manifest_loses_its_signature(tmp_path: Path) -> None:
    path = tmp_path / "a.snapshot.zip"
    dump(path, {"function": len, "code": lambda: 1})
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("manifest.json")
        told = json.loads(archive.read(info))
        others = [(one.filename, archive.read(one)) for one in archive.infolist() if one.filename != "manifest.json"]
    told["skeletons"][1]["sha256"] = "0" * 64
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in others:
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(told))
    assert not contents(path).signed
    with pytest.raises(ColabPanelError):
        load(path)
    assert data


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.snapshot.zip"
    text = np.array([f"s{number % 5}" for number in range(1000)], object)
    value = {"array": np.arange(40), "text": text, "plain": {"a": [1]}}
    dump(path, value)
    data = path.read_bytes()
    noticed = 0
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        try:
            found = load(path)
        except ColabPanelError:
            noticed += 1
            continue
        np.testing.assert_array_equal(found["array"], value["array"])
        assert found["text"].tolist() == value["text"].tolist()  # type: ignore[attr-defined]
        assert found["plain"] == value["plain"]
    assert noticed > len(data) / 2


def test_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.snapshot.zip"
    dump(path, {"array": np.arange(40), "plain": [1]})
    data = path.read_bytes()
    for end in range(0, len(data), 11):
        path.write_bytes(data[:end])
        with pytest.raises(ColabPanelError):
            load(path)


def test_hashes_are_looked_at_before_the_first_opcode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.snapshot.zip"
    dump(path, {"plain": [1, 2, 3]})
    data = path.read_bytes()
    place = data.index(pickle.PROTO, 64)
    path.write_bytes(data[:place] + b"\x80\x05." + data[place + 3 :])
    monkeypatch.setattr("colabpanel.services.snapshots.loading.unpickle", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(ArchiveError, match=r"damaged \(a pickle\)"):
        load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1 << 50]},
        {"shape": [-1, 5]},
        {"dtype": "'O'"},
        {"dtype": "__import__('os')"},
        {"strides": [8], "shape": [2], "dtype": "'O'"},
        {"strides": [8], "shape": [2], "dtype": "[('a', 'O')]"},
        {"strides": [8], "offset": 1 << 40},
        {"leaf": 99},
        {"first": -3},
    ],
    ids=str,
)
def test_hostile_lists_of_arrays(tmp_path: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.snapshot.zip"
    dump(path, {"array": np.arange(40)})

    def changed(where: Path) -> Any:
        manifest, data, signature = read_manifest(where)
        values: dict[str, Any] = {key: tuple(new) if isinstance(new, list) else new for key, new in change.items()}
        row = manifest.arrays[0]._replace(**values)
        return dataclasses.replace(manifest, arrays=(row,)), data, signature

    monkeypatch.setattr("colabpanel.services.snapshots.reader.read_manifest", changed)
    with pytest.raises(ArchiveError, match="damaged"):
        load(path)


def test_the_scan_agrees_with_pickletools() -> None:
    for data in (pickle.dumps({"a": np.arange(3), "b": len}, protocol) for protocol in range(6)):
        wanted = scan(data).names
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL":
                assert tuple(str(argument).split(" ")) in wanted
        assert ("builtins", "len") in wanted or ("__builtin__", "len") in wanted


def test_the_key_is_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLABPANEL_CONFIG_DIR", str(tmp_path / "new"))
    signature = trust.signature_of(b"data")
    (key,) = (tmp_path / "new").iterdir()
    assert key.stat().st_mode & 0o077 == 0
    assert trust.is_signed_by_us(b"data", signature)
    assert not trust.is_signed_by_us(b"other", signature)
    key.write_bytes(b"short")
    assert not trust.is_signed_by_us(b"data", signature)
    again = trust.signature_of(b"data")
    assert again != signature
    assert os.listdir(tmp_path / "new") == ["snapshot.key"]


def test_unpickling_names_what_is_missing() -> None:
    with pytest.raises(ArchiveError, match="needs something that is not here"):
        unpickle(b"\x80\x04" + _global("no_such_module", "name") + b".", trusted=True, what="This")
    assert io.BytesIO(b"")


def _chain(make: bytes, fill: bytes, length: int) -> bytes:
    """Return a pickle of a container in a container, and so on."""
    return b"\x80\x02Nq\x00" + (b"0" + make + fill + b"q\x00") * length + b"."


_OBJECTS = (
    _global("numpy._core.multiarray", "_reconstruct") + _global("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
    b"(K\x01K\x01\x85" + _global("numpy", "dtype") + b"\x8c\x01O\x85R\x89]h\x00atb"
)


@pytest.mark.parametrize(
    ("make", "fill"),
    [(_DEQUE + b")R", b"h\x00a"), (_global("collections", "defaultdict") + b")R", b"K\x00h\x00s"), (_OBJECTS, b"")],
    ids=["deque", "defaultdict", "array"],
)
def test_what_would_crash_when_it_is_freed_is_taken_apart(tmp_path: Path, make: bytes, fill: bytes) -> None:
    _write(tmp_path / "a.pkl", _chain(make, fill, 12_000))
    code = "try: colabpanel.load('a.pkl')\nexcept colabpanel.ColabPanelError as error: print(error.message)"
    command = [sys.executable, "-c", f"import colabpanel\n{code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "made to crash" in done.stdout
    few = unpickle(_chain(make, fill, 500), trusted=False, what="This")
    assert len(few) == 1


def test_many_containers_that_are_not_nested_load() -> None:
    many = [collections.deque([n]) for n in range(20_000)]
    assert unpickle(pickle.dumps(many), trusted=False, what="This") == many
