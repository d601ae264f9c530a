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
TABLES = ("SENTENCES", "ENGLISH")  # of the errors, and of the report
FORMATS = ("lang", "dir", "decimal", "thousands")  # of the report: set by the language, not translated


def calls(fileobj, keywords, comment_tags, options):
    """Babel extractor for calls of t and tn, also as say.t, and inside f-strings, where Babel's own misses them."""
    for node in ast.walk(ast.parse(fileobj.read())):
        name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        if name in ("t", "tn"):
            words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            yield node.lineno, name, words[0] if name == "t" else tuple(words[:2]), []


def sentences(fileobj, keywords, comment_tags, options):
    """Babel extractor for a table of sentences: its values are message ids, but for those in FORMATS."""
    for node in ast.walk(ast.parse(fileobj.read())):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if getattr(target, "id", "") in TABLES and isinstance(getattr(node, "value", None), ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if ast.literal_eval(key) not in FORMATS:
                    yield value.lineno, "gettext", ast.literal_eval(value), []


def extract(target: Path = POT) -> None:
    """Write the template of all messages of the pages, of the errors and of the report."""
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
