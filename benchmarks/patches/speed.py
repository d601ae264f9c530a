"""How long the patches of many normals take, and a verdict with its heatmap: python benchmarks/patches/speed.py

Fit: pictures to maps, the thinned bank, and the distance maps of the normals that set the limit, each without its own
patches. Verdict: one picture as it was decoded to its map and score. Beside it a straightforward PatchCore in torch.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

from common import label, plot, publish, table
from sets import SETS, normals, tests
from torch.nn import functional
from trial import HERE, patch_encoder

from dn2core.detect.distance_maps import balanced, patch_score, together
from dn2core.detect.patches import BANK, CALIBRATED, PatchBank, calibrating, thinned_bank
from dn2core.features.runtime import available_cores

COUNTS = (30, 120, 300, 1_000)
OTHERS = (30, 100)  # normals of the PatchCore beside
VERDICTS = 30
GOALS = {"fit": 60, "verdict": 0.150}  # seconds, the fit of 1,000 normals
SHARE = 0.1  # of the patches that a coreset keeps
PROJECTED_TO = 128
SEED = 2


def of_ours(name: str, n: int) -> dict[str, float]:
    """Seconds of each step with n normals, and the median seconds of a verdict."""
    encoder, pictures = patch_encoder(), normals(name, n, SEED)
    everywhere = np.ones((encoder.layout.grid, encoder.layout.grid), bool)
    encode, packed = timed(lambda: list(encoder.encode(pictures)))

    def load(at: int) -> list[np.ndarray]:
        return encoder.layout.unpack(packed[at])

    thin, bank = timed(lambda: thinned_bank(load, range(n), everywhere, encoder.layout.weights))

    def calibrated() -> PatchBank:
        maps = [bank.stage_maps(load(at), without=(at,)) for at in calibrating(n)]
        weights = balanced(maps, bank.weights)
        for one in maps:
            patch_score(together(one, weights))
        return PatchBank(bank.stages, weights)

    calibrate, bank = timed(calibrated)

    def verdict(picture: np.ndarray) -> float:
        (one,) = encoder.encode([picture])
        return patch_score(bank.distance_map(encoder.layout.unpack(one)))

    return {"encode": encode, "thin": thin, "calibrate": calibrate, "verdict": median_seconds(verdict, name)}


def median_seconds(verdict: Callable[[np.ndarray], object], name: str) -> float:
    pictures = [one.image for one in tests(name, 3, good=VERDICTS, each=0)]
    return float(np.median([timed(lambda one=one: verdict(one))[0] for one in pictures]))


class PatchCore:
    """Roth et al. 2022 as it is written down: layers 2 and 3, 3 x 3 averages, a greedy coreset, the nearest by cdist.

    Weights are random: no table here speaks of its accuracy.
    """

    def __init__(self):
        import torchvision

        torch.manual_seed(SEED)
        net = torchvision.models.wide_resnet50_2(weights=None).eval()
        self.stem = torch.nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
        self.layers = net.layer2, net.layer3

    @torch.inference_mode()
    def patches(self, picture: np.ndarray) -> torch.Tensor:
        """(784, 1536) of a picture at 224 pixels."""
        x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        x, maps = self.stem(functional.interpolate(x, size=(224, 224), mode="bilinear", antialias=True)), []
        for layer in self.layers:
            x = layer(x)
            maps.append(functional.avg_pool2d(x, 3, stride=1, padding=1))
        maps[1] = functional.interpolate(maps[1], size=maps[0].shape[-2:], mode="bilinear")
        return torch.cat(maps, dim=1)[0].flatten(1).T.contiguous()

    @torch.inference_mode()
    def fit(self, pictures: list[np.ndarray], seconds: float) -> dict[str, float]:
        """Seconds of encoding and of choosing; the choice ends early after `seconds` of it, `chosen` tells where."""
        encode, patches = timed(lambda: torch.cat([self.patches(one) for one in pictures]))
        start, wanted = time.perf_counter(), int(SHARE * len(patches))
        short = patches @ (torch.randn(patches.shape[1], PROJECTED_TO) / PROJECTED_TO**0.5)
        rows, nearest = [0], torch.full((len(patches),), torch.inf)
        while len(rows) < wanted and time.perf_counter() - start < seconds:
            nearest = torch.minimum(nearest, torch.cdist(short, short[rows[-1:]])[:, 0])
            rows.append(int(nearest.argmax()))
        self.bank = patches[rows]
        return {"encode": encode, "thin": time.perf_counter() - start, "chosen": len(rows), "wanted": wanted}

    @torch.inference_mode()
    def verdict(self, picture: np.ndarray) -> float:
        return float(torch.cdist(self.patches(picture), self.bank).amin(dim=1).max())


def of_patchcore(name: str, n: int, seconds: float) -> dict[str, float]:
    other = PatchCore()
    found = other.fit(normals(name, n, SEED), seconds)
    return found | {"verdict": median_seconds(other.verdict, name)}


def timed(do: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SETS, default="brick")
    parser.add_argument("--normals", nargs="+", type=int, default=list(COUNTS))
    parser.add_argument("--others", nargs="*", type=int, default=list(OTHERS), help="normals of the PatchCore beside")
    parser.add_argument("--seconds", type=float, default=600, help="for each of its coresets at most")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page and the plot")
    args = parser.parse_args()
    torch.set_num_threads(available_cores())
    next(patch_encoder().encode(normals(args.set, 1, SEED)))  # the network starts with the first picture

    ours = {n: of_ours(args.set, n) for n in args.normals}
    others = {n: of_patchcore(args.set, n, args.seconds) for n in args.others}
    with plot(args.out, "speed", "normals", "fit (s)") as axes:
        axes.set(xscale="log", yscale="log")
        for at, (title, found) in enumerate((("ours", ours), ("PatchCore", others))):
            if found:
                fits = [fit(one) for one in found.values()]
                axes.plot(list(found), fits, "o-", color=f"C{at}")
                label(axes, list(found)[-1], fits[-1], title, f"C{at}")
    body = [table(HEADER, [row(n, one) for n, one in ours.items()]), *goals(ours)]
    if others:
        body += ["## Beside it: PatchCore in torch", table(HEADER, [row(n, one) for n, one in others.items()])]
        body.append(
            "WideResNet-50 of torchvision with random weights, layers 2 and 3 at 224 pixels; a greedy coreset of"
            f" {100 * SHARE:.0f} % of the patches by projections to {PROJECTED_TO} numbers; `torch.cdist`. It has no"
            " limit to calibrate."
        )
        body += [_stopped(n, one, args.seconds) for n, one in others.items() if one["chosen"] < one["wanted"]]
    body.append(
        f"Wall clock; a verdict is the median of {VERDICTS} pictures, one at a time, as decoded (160 x 160), brought to"
        f" the network's input included. The bank has at most {BANK:,} patches; at most {CALIBRATED} normals set the"
        " limit."
    )
    publish(
        args.out,
        "speed",
        title="Time of the patches",
        body="\n\n".join(body),
        seeds=f"{SEED} draws the normals, the coreset's projection and the weights, 3 the pictures of the verdicts",
        folder="patches",
    )


HEADER = ("normals", "encode (s)", "thin (s)", "calibrate (s)", "fit (s)", "fit, ms a normal", "verdict (ms)")


def fit(found: dict[str, float]) -> float:
    return found["encode"] + found["thin"] + found.get("calibrate", 0.0)


def row(n: int, found: dict[str, float]) -> list[str]:
    steps = [f"{found[step]:.1f}" if step in found else "-" for step in ("encode", "thin", "calibrate")]
    return [f"{n:,}", *steps, f"{fit(found):.1f}", f"{1000 * fit(found) / n:.0f}", f"{1000 * found['verdict']:.0f}"]


def goals(ours: dict[int, dict[str, float]]) -> list[str]:
    most, least = max(ours), min(ours)
    lines = []
    for what, seconds, goal in (
        (f"Fit of {most:,} normals", fit(ours[most]), GOALS["fit"]),
        (f"Verdict at {most:,} normals", ours[most]["verdict"], GOALS["verdict"]),
    ):
        standing = "met" if seconds < goal else f"missed by {seconds - goal:.2f} s"
        lines.append(f"- {what}: {seconds:.2f} s, below {goal:g} s {standing}.")
    if most > least:
        times = most / least
        for what, of in (("fit", fit), ("verdict", lambda one: one["verdict"])):
            grown = of(ours[most]) / of(ours[least])
            lines.append(f"- {times:.1f} times the normals, {grown:.1f} times the {what}'s time.")
    return ["\n".join(lines)]


def _stopped(n: int, found: dict[str, float], seconds: float) -> str:
    rows = f"{found['chosen']:,} of {found['wanted']:,} rows"
    return f"At {n:,} normals its coreset was stopped after {seconds:g} s, with {rows}."


if __name__ == "__main__":
    main()
