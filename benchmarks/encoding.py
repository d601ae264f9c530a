"""Files to vectors, the plain way and ours, both in one run: python benchmarks/encoding.py

1-megapixel JPEGs made here from photographs. The plain way: Pillow, torchvision's transforms, a DataLoader with two
workers, eager torch. Ours is the app's: every file is checked, decoded on threads at a size that suffices, and encoded
in chunks by OpenVINO in FP32; with --store all that the app keeps on disk is written, too. The network is the same.
A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size: 1024 x 1024 at 1/4, and --width 1152 --height 864 at 1/2 only.
Targets: at least 7 times as fast, and vectors of the same pixels at a cosine distance below 1e-5.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.features import Encoder, load_encoder
from dn2core.features.runtime import available_cores
from dn2core.features.weights import load_state
from dn2core.ingest import check_all, decode, sources_of_folder
from dn2core.project import Store
from dn2core.project.intake import CHUNK
from dn2core.project.worker import run_job

TARGET = 7
FARTHEST = 1e-5


def write_photographs(folder: Path, n: int, size: tuple[int, int]) -> int:
    """`n` JPEGs of that width and height: enlarged parts of photographs with a sensor's noise; all their bytes."""
    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(photograph()) for photograph in (skimage.data.chelsea, skimage.data.coffee)]
    photographs += [Image.fromarray(photograph()) for photograph in (skimage.data.astronaut, skimage.data.rocket)]
    written = 0
    for number in range(n):
        photograph = photographs[number % len(photographs)]
        width = rng.integers(photograph.width // 2, photograph.width + 1)
        height = min(photograph.height, width * size[1] // size[0])
        left, top = rng.integers(photograph.width - width + 1), rng.integers(photograph.height - height + 1)
        part = photograph.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        noisy = np.asarray(part) + rng.normal(0, 4, (size[1], size[0], 1))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        (folder / f"{number:04}.jpg").write_bytes(buffer.getvalue())
        written += buffer.tell()
    return written


class Pictures(torch.utils.data.Dataset):
    """As everybody writes it."""

    def __init__(self, folder: Path, encoder: Encoder):
        backbone = encoder.backbone
        self.paths = sorted(folder.iterdir())
        self.transform = transforms.Compose(
            [
                transforms.Resize((backbone.input_side, backbone.input_side)),
                transforms.ToTensor(),
                transforms.Normalize(backbone.mean, backbone.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))


def plain_way(folder: Path, encoder: Encoder) -> Callable[[], np.ndarray]:
    network = encoder.backbone.build(load_state(encoder.weights, encoder.sha256))
    pictures = Pictures(folder, encoder)
    loader = torch.utils.data.DataLoader(pictures, batch_size=32, num_workers=2, persistent_workers=True)

    def encode() -> np.ndarray:
        with torch.inference_mode():
            return np.concatenate([network(batch).numpy() for batch in loader])

    return encode


def our_way(folder: Path, encoder: Encoder) -> np.ndarray:
    checked = check_all(
        sources_of_folder(folder, [folder]),
        at_least=encoder.decode_side,
        prepare=lambda source, sha256, data, decoded: encoder.view(decoded.image),
    )
    views = (view for _, view in checked)
    chunks = []
    while chunk := list(islice(views, CHUNK)):
        chunks.append(encoder.encode_views(chunk))
    return np.concatenate(chunks)


def stored_way(folder: Path, store: Store) -> Callable[[], None]:
    """The app's own job on files that are already uploaded: a project more each time."""
    project = store.create("Encoding")
    batch = project.new_batch("normal", "benchmark")
    project.stage_many(batch, [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())])
    project.submit(batch)
    return lambda: run_job(store, store.jobs.claim("compute"))


def seconds(call: Callable) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return 1 - (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def compare(folder: Path, encoder: Encoder, plain: np.ndarray, ours: np.ndarray) -> bool:
    """Print how far the vectors lie apart; whether they agree where the pixels do."""
    images = [decode(path.read_bytes()).image for path in sorted(folder.iterdir())]
    views = [encoder.view(image) for image in images]
    whole = encoder.encode_views(views)
    reference = load_encoder(encoder.name, preset=encoder.preset, runtime="torch").encode_views(views)
    pairs = {
        "OpenVINO and torch on the same views": cosine_distances(whole, reference),
        "ours and the plain way, both decoded whole": cosine_distances(whole, plain),
        "ours and the plain way, ours decoded smaller": cosine_distances(ours, plain),
    }
    for name, distances in pairs.items():
        print(f"cosine distance, {name:<46} median {np.median(distances):.1e}, largest {distances.max():.1e}")
    return all(distances.max() < FARTHEST for distances in list(pairs.values())[:2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of our way")
    parser.add_argument("--store", action="store_true", help="also measure with the project on disk")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder, store = Path(scratch, "photographs"), Store(Path(scratch, "data"))
        folder.mkdir()
        size = write_photographs(folder, args.images, (args.width, args.height))
        encoder = load_encoder("efficientnet_lite0", runtime="openvino", precision=args.precision)
        plain = plain_way(folder, encoder)
        print(f"{args.images} JPEGs of {args.width:,} x {args.height:,}, {size / args.images / 1e3:.0f} kB each")
        print(
            f"{available_cores()} cores, {torch.get_num_threads()} threads of torch, {args.precision},"
            f" median of {args.rounds} rounds"
        )

        times = {"plain": [], "ours": [], "ours, stored": []}
        for turn in range(args.rounds + 1):  # taken in turns, so that a busy machine slows all; the first warms up
            taken = {"plain": seconds(plain), "ours": seconds(lambda: our_way(folder, encoder))}
            if args.store:
                taken["ours, stored"] = seconds(stored_way(folder, store))
            for name, spent in taken.items() if turn else ():
                times[name].append(spent)
        base = np.median(times["plain"])
        for name, spent in times.items():
            if spent:
                middle = np.median(spent)
                print(f"{name:<13} {args.images / middle:6.1f} images/s   {base / middle:5.2f} times the plain way")
        fast = base / np.median(times["ours"]) >= TARGET
        near = compare(folder, encoder, plain(), our_way(folder, encoder))
    print(f"at least {TARGET} times as fast: {'yes' if fast else 'NO'}")
    print(f"cosine distance below {FARTHEST:.0e} on the same pixels: {'yes' if near else 'NO'}")
    return 0 if fast and near else 1


if __name__ == "__main__":
    sys.exit(main())
