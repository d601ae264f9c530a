"""What may be typed, and how a failure is told: a sentence on stderr and exit code 2, never a traceback."""

import argparse
import os
import sys

from dn2core import __version__
from dn2core.errors import DN2Error

BACKBONE = "efficientnet_lite0"
VIEWS = ("whole", "paper")
PRESETS = ("recommended", "paper")
SECONDS = 120.0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 done with a bad result, 2 could not be done."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except DN2Error as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(f"{error.filename or 'A file'}: {error.strerror or error}.")
    except Exception as error:
        if os.environ.get("DN2_DEBUG"):
            raise
        return _failed(f"Unforeseen: {type(error).__name__}: {error}. Set DN2_DEBUG=1 to see where.")


def _failed(sentence: str) -> int:
    print(f"dn2: {sentence}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dn2core", description="Visual inspection from good parts only, on the command line."
    )
    parser.add_argument("--version", action="version", version=f"dn2 {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = _command(commands, "demo", _demo, "write the demo images into a folder")
    demo.add_argument("folder", metavar="DIR")

    build = _command(commands, "build", _build, "add normals to a project, making it where it is not there yet")
    build.add_argument("project", metavar="PROJECT", help="its name, or its id")
    build.add_argument("images", metavar="IMAGES", nargs="+", help="files, folders, ZIP archives")
    build.add_argument("--preset", choices=PRESETS, help="of a new project (default: recommended)")
    build.add_argument("--backbone", help=f"the network of a new project (default: {BACKBONE})")

    score = _command(commands, "score", _score, "compare images with the normals of a project")
    score.add_argument("project", metavar="PROJECT", help="its name, or its id")
    score.add_argument("images", metavar="IMAGES", nargs="+", help="files, folders, ZIP archives")
    score.add_argument("--csv", metavar="FILE", help="write the results there")
    score.add_argument("--k", type=int, help="nearest normals in a score (default: the project's)")

    report = _command(commands, "report", _report, "write a report of a project for people who were not there")
    report.add_argument("project", metavar="PROJECT", help="its name, or its id")
    report.add_argument("--html", metavar="FILE", required=True, help="write the report there, one file for all")
    report.add_argument("--csv", metavar="FILE", help="write all results there")
    report.add_argument("--state", metavar="ENTRY", type=int, help="as that entry of the history left the project")

    _command(commands, "doctor", _doctor, "check this installation; exit code 1 when something is wrong")

    bench = _command(commands, "bench", None, "measure against published numbers")
    names = bench.add_subparsers(metavar="NAME", required=True)
    fashion = _command(names, "fashion-mnist", _fashion_mnist, "one class against all, ROC AUC")
    fashion.add_argument("--data", metavar="DIR", required=True, help="the folder of the four idx files")
    fashion.add_argument("--preset", choices=VIEWS, default="whole", help="what the network sees (default: whole)")
    fashion.add_argument("--k", type=int, default=2)
    fashion.add_argument("--backbone", default=BACKBONE)
    fashion.add_argument("--normalise", choices=("raw", "unit", "both"), default="both", help="length of the features")
    fashion.add_argument("--cache", metavar="DIR", help="keep the features there for the next run")
    compare = _command(names, "compare", _compare, "DN2 beside other detectors, on the images of a project")
    compare.add_argument("project", metavar="PROJECT", help="its name, or its id")
    compare.add_argument("--detectors", metavar="NAME", nargs="*", help="which ones (default: all)")
    compare.add_argument("--backbones", metavar="NAME", nargs="*", default=[], help="networks to give to DN2 as well")
    compare.add_argument("--seconds", metavar="S", type=float, default=SECONDS, help="for each training of a network")
    mvtec = _command(names, "mvtec", _mvtec, "the whole image and its places, on folders laid out as MVTec AD's")
    mvtec.add_argument("--data", metavar="DIR", required=True, help="the folder of the categories")
    mvtec.add_argument("--category", metavar="NAME", nargs="+", default=[], help="which ones (default: all)")
    mvtec.add_argument("--backbone", default=BACKBONE, help="the network that places are compared by")
    mvtec.add_argument("--tiles", type=int, default=1, help="along each side of a picture (default: 1)")
    return parser


def _command(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if run:
        command.set_defaults(run=run)
    return command


# Each command imports what it needs: `--help` answers without loading a network.


def _demo(options) -> int:
    from dn2core.cli.demo import demo

    return demo(options.folder)


def _build(options) -> int:
    from dn2core.cli.images import build

    return build(options.project, options.images, preset=options.preset, backbone=options.backbone)


def _score(options) -> int:
    from dn2core.cli.images import score

    return score(options.project, options.images, csv=options.csv, k=options.k)


def _report(options) -> int:
    from dn2core.cli.report import report

    return report(options.project, html=options.html, csv=options.csv, state=options.state)


def _doctor(options) -> int:
    from dn2core.cli.doctor import doctor

    return doctor()


def _fashion_mnist(options) -> int:
    from dn2core.cli.bench import fashion_mnist

    return fashion_mnist(
        options.data,
        preset=options.preset,
        k=options.k,
        backbone=options.backbone,
        lengths=options.normalise,
        cache=options.cache,
    )


def _compare(options) -> int:
    from dn2core.cli.compare import compare_project

    return compare_project(
        options.project, detectors=options.detectors, backbones=options.backbones, seconds=options.seconds
    )


def _mvtec(options) -> int:
    from dn2core.cli.mvtec import mvtec

    return mvtec(options.data, names=options.category, backbone=options.backbone, tiles=options.tiles)
