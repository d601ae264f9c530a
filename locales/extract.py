"""Collect all texts into `dn2.pot` and bring the catalogues up to date: `python -m locales.extract`.

A new language is begun with `python -m locales.extract de`. Nothing needs compiling: the pages read
the `.po` files.
"""

import ast
import sys
from pathlib import Path

from babel.messages.frontend import CommandLineInterface

ROOT = Path(__file__).resolve().parents[1]
POT = ROOT / "locales" / "dn2.pot"


def calls(fileobj, keywords, comment_tags, options):
    """Babel extractor for the calls of t and tn, those inside f-strings included (Babel's own misses them)."""
    for node in ast.walk(ast.parse(fileobj.read())):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in ("t", "tn"):
            words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            yield node.lineno, name, words[0] if name == "t" else tuple(words[:2]), []


def sentences(fileobj, keywords, comment_tags, options):
    """Babel extractor for the table of error sentences: its values are message ids."""
    for node in ast.walk(ast.parse(fileobj.read())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SENTENCES":
            for value in node.value.values:
                yield value.lineno, "gettext", ast.literal_eval(value), []


def extract(target: Path = POT) -> None:
    """Write the template of all messages of the pages and of the error sentences."""
    _babel(
        f"extract --mapping={ROOT / 'babel.cfg'} --output-file={target} --keywords=t --keywords=tn:1,2 --no-wrap "
        "--omit-header --sort-by-file --no-location "
        f"{ROOT}"
    )


def update(new: list[str]) -> None:
    """Merge the template into every catalogue, and begin those of new languages."""
    where = f"--input-file={POT} --output-dir={ROOT / 'locales'} --domain=dn2 --no-wrap"
    for language in new:
        _babel(f"init {where} --locale={language}")
    if any(POT.parent.glob("*/LC_MESSAGES/dn2.po")):
        _babel(f"update {where} --no-fuzzy-matching --ignore-pot-creation-date")


def _babel(command: str) -> None:
    CommandLineInterface().run(["pybabel", "--quiet", *command.split()])


if __name__ == "__main__":
    extract()
    update(sys.argv[1:])
