"""`bench fashion-mnist`: the paper's protocol, with the numbers that it prints."""

import sys

from tqdm import tqdm

from dn2core.cli.work import tells_progress
from dn2core.explore.fashion_mnist import report, run
from dn2core.features import load_encoder
from dn2core.project.paths import data_dir


def fashion_mnist(data: str, *, preset: str, k: int, backbone: str, lengths: str, cache: str | None) -> int:
    """`lengths` of the features: raw, unit or both."""
    encoder = load_encoder(backbone, preset=preset, weights_dir=data_dir() / "weights")
    with tqdm(unit=" images", desc="Encoding", disable=None) as bar:
        results = run(data, encoder, k=k, cache=cache, progress=tells_progress(bar))
    wanted = {"raw": (False,), "unit": (True,), "both": (False, True)}[lengths]
    print(f"Fashion-MNIST, one class normal against all, ROC AUC in percent ({backbone}, {preset})")
    print(report([result for result in results if result.normalise in wanted]))
    print(f"fingerprint {encoder.fingerprint}", file=sys.stderr)
    return 0
