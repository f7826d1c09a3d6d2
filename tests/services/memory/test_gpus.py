"""What the driver tells of GPUs, and each way in which it fails: by the stand-in for NVIDIA's library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from colabpanel.services.memory import gpus
from colabpanel.services.memory.accelerators.binding import binding, reason_of
from tests.nvml import NvmlStandIn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is a library for Linux")

GB = 1 << 30


def _read(nvml: NvmlStandIn, later: float = 0.0) -> tuple[Any, str]:
    found, trouble = nvml.ask(f"read({later})")
    return found, trouble


def test_the_figures_are_the_drivers(nvml: NvmlStandIn) -> None:
    (first, second), trouble = _read(nvml)
    assert trouble == ""
    assert first == {
        "index": 0,
        "name": "Tesla T4",
        "uuid": "GPU-a",
        "used": GB,
        "total": 15 * GB,
        "utilisation": 0.37,
        "temperature": 61,
        "driver": "580.1",
        "processes": [],
    }
    assert (second["name"], second["used"], second["utilisation"]) == ("NVIDIA L4", 0, 0.0)


def test_who_holds_a_gpu_is_told(nvml: NvmlStandIn) -> None:
    us, gone = os.getpid(), 1 << 23
    nvml.tell(
        "0.compute 3",
        *("0.compute0.pid 1", "0.compute0.used 5"),
        *(f"0.compute1.pid {us}", "0.compute1.used 700"),
        f"0.compute2.pid {gone}",
        "0.graphics 1",
        *(f"0.graphics0.pid {us}", "0.graphics0.used 900"),
    )
    (first, _), _ = _read(nvml)
    assert first["processes"] == [
        {"pid": us, "name": psutil.Process().name(), "used": 900},
        {"pid": 1, "name": psutil.Process(1).name(), "used": 5},
        {"pid": gone, "name": "", "used": None},
    ]


def test_the_driver_is_opened_once(nvml: NvmlStandIn) -> None:
    for _ in range(3):
        _read(nvml, later=60)
    assert nvml.calls("nvmlInitWithFlags") == 1
    assert nvml.calls("nvmlDeviceGetHandleByIndex_v2") == 2
    assert nvml.calls("nvmlDeviceGetUtilizationRates") == 6


@pytest.mark.parametrize(
    ("figure", "functions"),
    [
        ("utilisation", ["nvmlDeviceGetUtilizationRates"]),
        ("temperature", ["nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"]),
        ("used", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2"]),
        ("total", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2"]),
        ("uuid", ["nvmlDeviceGetUUID"]),
        ("driver", ["nvmlSystemGetDriverVersion"]),
        (
            "processes",
            [f"nvmlDeviceGet{kind}RunningProcesses_{v}" for kind in ("Compute", "Graphics") for v in ("v2", "v3")],
        ),
    ],
)
def test_what_is_not_supported_or_not_permitted_is_unknown_and_not_zero(
    nvml: NvmlStandIn, figure: str, functions: list[str]
) -> None:
    for code in (3, 4, 13, 21):  # not supported, not permitted, no such function, no data
        nvml.tell(*(f"fail {function} {code}" for function in functions))
        (first, _), trouble = nvml.ask("Nvml().read()")
        assert first[figure] is None
        assert trouble == ""
        together = {"used", "total"} if figure in {"used", "total"} else {figure}
        assert [name for name, value in first.items() if value is None and name not in together] == []


def test_an_old_driver_is_asked_in_its_own_way(nvml: NvmlStandIn) -> None:
    nvml.tell("fail nvmlDeviceGetMemoryInfo_v2 13", "fail nvmlDeviceGetComputeRunningProcesses_v3 13")
    (first, _), trouble = _read(nvml)
    assert first["used"] == GB + (GB >> 2)  # it counts what the driver keeps for itself
    assert (first["processes"], trouble) == ([], "")


def test_a_driver_without_the_older_thermometer_has_the_newer(nvml: NvmlStandIn) -> None:
    nvml.tell("fail nvmlDeviceGetTemperature 13")
    assert _read(nvml)[0][0]["temperature"] == 61


def test_a_gpu_without_a_name_goes_by_its_number(nvml: NvmlStandIn) -> None:
    nvml.tell("fail nvmlDeviceGetName 3")
    assert [gpu["name"] for gpu in _read(nvml)[0]] == ["GPU 0", "GPU 1"]


REASONS = {
    4: "the driver does not permit it",
    9: "the driver is not loaded",
    10: "the driver took too long",
    18: "different versions",
    999: "the driver says: Unknown Error",
    77: "the driver says: said by the stand-in",
}


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
def test_a_driver_that_cannot_be_opened_is_trouble_and_no_missing_gpu(nvml: NvmlStandIn, function: str) -> None:
    for code, reason in REASONS.items():
        nvml.tell(f"fail {function} {code}")
        found, trouble = nvml.ask("Nvml().read()")
        assert found is None
        assert trouble.startswith("The GPUs cannot be read: ")
        assert reason in trouble


def test_a_gpu_that_cannot_be_read_says_why(nvml: NvmlStandIn) -> None:
    for code, reason in REASONS.items():
        if code != 4:  # which concerns one figure
            nvml.tell(f"fail nvmlDeviceGetUtilizationRates@1 {code}")
            (first, second), trouble = nvml.ask("Nvml().read()")
            assert (first["used"], second["used"], second["utilisation"]) == (GB, None, None)
            assert trouble.startswith("GPU 1 cannot be read: ")
            assert reason in trouble


def test_it_is_opened_again_when_it_works_again_and_not_at_every_reading(nvml: NvmlStandIn) -> None:
    nvml.tell("fail nvmlInitWithFlags 9")
    _read(nvml)
    nvml.tell()
    assert _read(nvml, later=1)[0] is None
    assert nvml.calls("nvmlInitWithFlags") == 1
    found, trouble = _read(nvml, later=10)
    assert (len(found), trouble) == (2, "")


def test_a_machine_without_gpus_has_none_and_no_trouble(nvml: NvmlStandIn) -> None:
    nvml.tell(text="gpus 0\n")
    assert _read(nvml) == ([], "")


def test_a_driver_that_finds_no_library_of_its_own_has_no_gpu(nvml: NvmlStandIn) -> None:
    nvml.tell("fail nvmlInitWithFlags 12")
    assert _read(nvml) == ([], "")


def test_a_gpu_that_is_lost_midway_leaves_the_others(nvml: NvmlStandIn) -> None:
    assert _read(nvml)[1] == ""
    nvml.tell("fail nvmlDeviceGetMemoryInfo_v2@1 15", "fail nvmlDeviceGetHandleByIndex_v2@1 15")
    (first, second), trouble = _read(nvml, later=1)
    assert first["used"] == GB
    assert (second["name"], second["used"], second["utilisation"]) == ("NVIDIA L4", None, None)
    assert trouble == "GPU 1 cannot be read: it is lost, as one that has fallen off its bus."
    (first, second), trouble = _read(nvml, later=10)  # opened anew, and still lost
    assert nvml.calls("nvmlInitWithFlags") == 2
    assert nvml.calls("nvmlShutdown") == 1
    assert (first["used"], second["name"], second["used"]) == (GB, "NVIDIA L4", None)
    assert "it is lost" in trouble
    nvml.tell()
    (_, second), trouble = _read(nvml, later=10)
    assert (second["used"], trouble) == (0, "")


def test_a_gpu_that_was_never_seen_is_named_by_its_number(nvml: NvmlStandIn) -> None:
    nvml.tell("fail nvmlDeviceGetHandleByIndex_v2@0 16")
    (first, second), trouble = _read(nvml)
    assert (first["name"], first["used"], second["used"]) == ("GPU 0", None, 0)
    assert trouble == "GPU 0 cannot be read: it has to be reset."


def test_the_slices_of_a_gpu_are_told_in_its_place(nvml: NvmlStandIn) -> None:
    nvml.tell("0.mig 2", "100.name A100 MIG 1g.5gb", "100.used 7", "100.total 70", "101.name A100 MIG 2g.10gb")
    found, trouble = _read(nvml)
    assert [(gpu["index"], gpu["name"], gpu["used"], gpu["total"]) for gpu in found] == [
        (0, "A100 MIG 1g.5gb", 7, 70),
        (0, "A100 MIG 2g.10gb", None, None),
        (1, "NVIDIA L4", 0, 24152899584),
    ]
    assert trouble == ""


def test_slices_of_which_one_cannot_be_found_are_missing_together(nvml: NvmlStandIn) -> None:
    nvml.tell("0.mig 2", "100.name A100 MIG 1g.5gb", "100.used 7", "fail nvmlDeviceGetName@101 15")
    found, trouble = _read(nvml)
    assert [(gpu["index"], gpu["name"], gpu["used"]) for gpu in found] == [(0, "GPU 0", None), (1, "NVIDIA L4", 0)]
    assert trouble == "GPU 0 cannot be read: it is lost, as one that has fallen off its bus."


def test_a_gpu_that_could_be_shared_out_and_is_not_is_one(nvml: NvmlStandIn) -> None:
    nvml.tell("0.mig 0")
    assert [gpu["name"] for gpu in _read(nvml)[0]] == ["Tesla T4", "NVIDIA L4"]


def test_a_driver_that_hangs_holds_nobody_up(nvml: NvmlStandIn) -> None:
    assert nvml.ask("look()")["trouble"] == ""
    nvml.tell("hang nvmlDeviceGetUtilizationRates 1")
    soon = nvml.ask("look(later=1, patience=0)")
    assert (soon["trouble"], soon["age"], len(soon["gpus"])) == ("", 1, 2)
    late = nvml.ask("look(later=4)")  # with patience, which is not spent on what is overdue
    assert late["trouble"] == "The NVIDIA driver does not answer, for 4 s now."
    assert (late["age"], late["gpus"][0]["used"]) == (5, GB)
    assert nvml.ask("len([one for one in __import__('threading').enumerate() if one.name == 'gpus'])") == 1
    nvml.tell("0.used 5")
    assert nvml.ask("latest._done.wait(30)")
    answered = nvml.ask("look(later=1)")
    assert (answered["trouble"], answered["age"], answered["gpus"][0]["used"]) == ("", 0, 5)


def test_a_driver_that_hangs_from_the_start_is_trouble(nvml: NvmlStandIn) -> None:
    nvml.tell("hang nvmlInitWithFlags 1")
    assert nvml.ask("look(patience=0)") == {"gpus": None, "trouble": "", "age": 0}
    assert "does not answer" in nvml.ask("look(later=3)")["trouble"]
    assert nvml.ask("look()")["gpus"] is None


def _child(code: str, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", f"import json\nfrom colabpanel.services.memory import gpus\n{code}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_library_that_cannot_be_loaded_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    trouble = _child("print(json.dumps(gpus().trouble))", LD_LIBRARY_PATH=str(tmp_path))
    assert trouble.startswith("The GPUs cannot be read: the driver's library cannot be loaded (")


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is a driver here")
def test_without_a_driver_there_is_no_gpu_no_trouble_and_no_binding_loaded() -> None:
    assert _child("import sys; print(json.dumps([gpus().gpus, gpus().trouble, 'pynvml' in sys.modules]))") == [
        [],
        "",
        False,
    ]
    assert gpus().gpus == ()


def test_a_driver_without_its_binding_is_trouble(nvml: NvmlStandIn) -> None:
    code = "import sys; sys.modules['pynvml'] = None; print(json.dumps([gpus().gpus, gpus().trouble]))"
    assert _child(code, **nvml.environment) == [
        None,
        "The GPUs cannot be read: nvidia-ml-py is not installed.",
    ]


def test_a_mac_has_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert binding() is None


def test_an_error_that_is_nobodys_is_told_as_it_is() -> None:
    assert reason_of(ValueError("odd")) == "ValueError('odd')"
