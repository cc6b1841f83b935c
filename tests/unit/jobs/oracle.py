"""TFLM's audio microfrontend itself: its sources, built at any step, and the published wheel, at 10 ms.

Both are downloaded, checked by hash, into build/oracle.
"""

import ctypes
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np

_FRONT_END = "tensorflow/lite/experimental/microfrontend/lib"

_SHIM = f"""
#include <string.h>
#include "{_FRONT_END}/frontend.h"
#include "{_FRONT_END}/frontend_util.h"

extern "C" int microfrontend(int step_ms, const int16_t *samples, size_t count, uint16_t *features) {{
  FrontendConfig config;
  FrontendState state;
  memset(&config, 0, sizeof config);
  FrontendFillConfigWithDefaults(&config);
  config.window.size_ms = 30;
  config.window.step_size_ms = step_ms;
  config.filterbank.num_channels = 40;
  config.noise_reduction.smoothing_bits = 10;
  config.noise_reduction.even_smoothing = 0.025f;
  config.noise_reduction.odd_smoothing = 0.06f;
  config.noise_reduction.min_signal_remaining = 0.05f;
  config.pcan_gain_control.enable_pcan = 1;
  config.log_scale.scale_shift = 6;
  if (!FrontendPopulateState(&config, &state, 16000)) return -1;
  int frames = 0;
  while (count > 0) {{
    size_t taken = 0;
    FrontendOutput output = FrontendProcessSamples(&state, samples, count, &taken);
    samples += taken;
    count -= taken;
    if (output.size) memcpy(features + 40 * frames++, output.values, 40 * sizeof(uint16_t));
  }}
  FrontendFreeStateContents(&state);
  return frames;
}}
"""

_SKIPPED = ("_test.cc", "_main.cc", "_io.cc", "_generator.cc")


class Oracle:
    """The C library."""

    def __init__(self, library: Path) -> None:
        self._call = ctypes.CDLL(str(library)).microfrontend
        self._call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)

    def features(self, samples: np.ndarray, step_ms: int = 20) -> np.ndarray:
        """uint16 (frames, 40) of int16 samples of any number."""
        samples = np.ascontiguousarray(samples, np.int16)
        room = np.zeros((samples.size // 160 + 1, 40), np.uint16)
        frames = self._call(step_ms, samples.ctypes.data, samples.size, room.ctypes.data)
        assert frames >= 0
        return room[:frames]


class Wheel:
    """The published Python package, which has a step of 10 ms."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        try:
            import pymicro_features  # type: ignore[import-not-found]  # installed into a folder of its own
        finally:
            sys.path.remove(str(folder))
        self._make = pymicro_features.MicroFrontend

    def features(self, samples: np.ndarray) -> np.ndarray:
        """uint16 (frames, 40) of int16 samples; the package gives them as multiples of 10/256."""
        front_end, rest = self._make(), samples.astype(np.int16).tobytes()
        frames = []
        while rest:
            answer = front_end.process_samples(rest)
            rest = rest[2 * answer.samples_read :]
            if answer.features:
                frames.append(np.rint(np.array(answer.features) * 25.6))
        return np.array(frames).reshape(-1, 40).astype(np.uint16)


def _download(kind: str, folder: Path, requirements: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, ":all:"]
    subprocess.run([*pip, "--require-hashes", "-r", str(requirements), "-d", str(folder)], check=True)


def wheel(folder: Path, requirements: Path) -> Wheel:
    """Downloads (checked by hash) and unpacks the wheel, unless it is there."""
    unpacked = folder / "wheel"
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download("--only-binary", folder, requirements)
        (archive,) = folder.glob("pymicro_features-*.whl")
        part = folder / "wheel.part"
        shutil.rmtree(part, ignore_errors=True)
        with zipfile.ZipFile(archive) as content:
            content.extractall(part)
        part.replace(unpacked)
    return Wheel(unpacked)


def build(folder: Path, requirements: Path) -> Oracle:
    """Downloads (checked by hash) and builds the library, unless it is there."""
    library = folder / "microfrontend.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download("--no-binary", folder, requirements)
        (archive,) = folder.glob("pymicro_features-*.tar.gz")
        sources = folder / "sources"
        shutil.rmtree(sources, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(sources, filter="data")
        (root,) = sources.iterdir()
        (root / "shim.cc").write_text(_SHIM)
        units = [path for path in sorted((root / _FRONT_END).glob("*.cc")) if not path.name.endswith(_SKIPPED)]
        part = folder / "microfrontend.part"
        compiler = [shutil.which("g++") or "c++", "-O2", "-shared", "-fPIC", "-DFIXED_POINT=16"]
        includes = [f"-I{root}", f"-I{root / 'kissfft'}"]
        subprocess.run([*compiler, *includes, "-o", str(part), str(root / "shim.cc"), *map(str, units)], check=True)
        part.replace(library)
    return Oracle(library)
