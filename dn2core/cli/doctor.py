"""`doctor`: is this installation whole, and does it compute what it should?"""

import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

from dn2core import __version__
from dn2core.errors import DN2Error, Rejected

ROOT = Path(__file__).resolve().parents[2]
FREE_BYTES = 1_000_000_000


Line = tuple[bool, str, str]


def doctor() -> int:
    """Print one line a check; 1 when one of them failed."""
    failures = 0
    for good, name, text in _lines():
        failures += not good
        print(f"{'ok  ' if good else 'FAIL'}  {name:<32} {text}", flush=True)
    print("All is well." if not failures else f"{failures} of these checks failed.")
    return 1 if failures else 0


def _lines() -> Iterator[Line]:
    for check in (_system, _packages, _data, _weights, _distances, _intake, _network):
        try:
            yield from check()
        except DN2Error as error:
            yield False, check.__name__.strip("_"), str(error)
        except Exception as error:  # a broken installation breaks in any way
            yield False, check.__name__.strip("_"), f"{type(error).__name__}: {error}"


def _system() -> Iterator[Line]:
    from dn2core.features.runtime import available_cores, has_bf16

    yield True, "DN2", __version__
    yield True, "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield True, "cores", f"{available_cores()} usable of {os.cpu_count()}"
    yield True, "BF16", "yes" if has_bf16() else "no: FP32 only, which is the default"
    yield True, "GPU", _gpu()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none: the network runs on the CPU"


def _packages() -> Iterator[Line]:
    for requirement in _requirements():
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield False, requirement.name, f"expected {wanted}, not installed: pip install -r requirements.txt"
            continue
        good = requirement.specifier.contains(found, prereleases=True)
        yield good, requirement.name, found if good else f"{found}, expected {wanted}: pip install -r requirements.txt"


def _requirements() -> list[Requirement]:
    """What requirements.txt asks of this machine; what the installed package says, where the file is not there."""
    file = ROOT / "requirements.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else requires("dn2-dashboard") or []
    bare = (line.split("#")[0].strip() for line in lines)
    all_of_them = [Requirement(line) for line in bare if line and not line.startswith("-")]
    return [one for one in all_of_them if one.marker is None or one.marker.evaluate()]


def _data() -> Iterator[Line]:
    from dn2core.project import Store, data_dir
    from dn2core.project.catalogue import journal_mode
    from dn2core.project.supervisor import DataLock

    root = data_dir()
    yield True, "SQLite", sqlite3.sqlite_version
    try:
        store = Store(root)
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"DN2")
    except (DN2Error, OSError) as error:
        yield False, "data folder", str(error)
        return
    yield True, "data folder", f"{root}, writable, {len(store.projects())} projects"
    yield True, "journal mode", journal_mode()
    free = shutil.disk_usage(root).free
    yield free > FREE_BYTES, "free disk", f"{free / 1e9:.1f} GB" + ("" if free > FREE_BYTES else ", expected 1 GB")
    lock = DataLock(root)
    try:
        lock.acquire()
        lock.release()
        yield True, "server", "not running on this data folder"
    except DN2Error as error:
        yield True, "server", f"running on this data folder (process {error.params['pid']})"


def _weights() -> Iterator[Line]:
    from dn2core.features import BACKBONES
    from dn2core.features.weights import find
    from dn2core.project import data_dir

    for name, backbone in BACKBONES.items():
        status = find(backbone, data_dir() / "weights")
        there = status.kind != "download"
        text = f"{status.kind}: {status.path}" if there else f"not here; a download of {status.megabytes:.0f} MB"
        # Only the default network must be there: it came with the installation.
        yield there or name != "efficientnet_lite0", name, text


def _network() -> Iterator[Line]:
    """A drawn picture through the default network, against numbers that are known."""
    from dn2core.features import load_encoder, self_test
    from dn2core.project import data_dir

    tested = self_test(load_encoder("efficientnet_lite0", weights_dir=data_dir() / "weights"))
    numbers = f"differs by {tested.largest_difference:.1e} from {tested.compared_with}"
    yield tested.ok, "network", numbers + ("" if tested.ok else f", expected at most {tested.tolerance:.0e}")


def _distances() -> Iterator[Line]:
    """Normals (0,0), (3,4), (6,8): by hand, (0,8) is at squared distances 25, 36 and 64."""
    from dn2core.detect import Bank, knn_scores, leave_one_out

    bank = Bank(np.array([[0, 0], [3, 4], [6, 8]], np.float32))
    found = bank.search(np.array([[0, 8]], np.float32), 3)
    own = leave_one_out(bank, 1)
    expected = [25.0, 36.0, 64.0, 30.5, 25.0, 25.0, 25.0]
    got = [*found.distances[0].tolist(), float(knn_scores(found.distances, 2)[0]), *own.distances[:, 0].tolist()]
    good = got == expected and found.indices[0].tolist() == [1, 2, 0]
    yield good, "search, scores", f"{len(expected)} numbers as by hand" if good else f"expected {expected}, got {got}"


def _intake() -> Iterator[Line]:
    """A picture comes back pixel by pixel, half of it is refused."""
    import io

    from PIL import Image

    from dn2core.ingest import decode

    pixels = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    same = np.array_equal(decode(data).image, pixels)
    yield same, "a whole picture", "pixel by pixel" if same else "a PNG came back with other pixels"
    try:
        decode(data[: len(data) // 2])
    except Rejected as error:
        yield error.code == "TRUNCATED", "half a picture", f"refused ({error.code})"
    else:
        yield False, "half a picture", "half a PNG was taken for a whole one"
