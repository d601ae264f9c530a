"""The data folder: its marker, its projects, its trash and the queue of jobs."""

import json
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from dn2core.errors import DN2Error, NotFound, Refused, StorageError
from dn2core.project import fsio
from dn2core.project.catalogue import FORMAT, PROJECT_TABLES, Database, dump
from dn2core.project.jobs import JobQueue
from dn2core.project.paths import below
from dn2core.project.project import Project
from dn2core.project.settings import Settings


@dataclass(frozen=True)
class ProjectCard:
    """What a list of projects shows. `flagged` is None until images were judged."""

    id: str
    name: str
    created: float
    last_activity: float
    normals: int
    scored: int
    flagged: int | None
    version: int | None


class Store:
    """The data folder, made at first use."""

    def __init__(self, root: Path):
        """Open or lay out the folder.

        Raises:
            StorageError: when it cannot be written, lost its marker, or is of a newer format.
        """
        self.root = Path(root)
        try:
            for folder in (self._projects, self._trash, self.weights_dir):
                folder.mkdir(parents=True, exist_ok=True)
            self._check_marker()
        except OSError as error:
            raise StorageError(
                "DATA_DIR_UNUSABLE", folder=str(self.root), reason=error.strerror or str(error)
            ) from error
        self.jobs = JobQueue(self.root)

    @property
    def weights_dir(self) -> Path:
        return self.root / "weights"

    def create(self, name: str, settings: Settings | None = None) -> Project:
        """A new, empty project.

        Raises:
            Refused: PROJECT_NAME for an empty or overlong name.
        """
        name = _checked_name(name)
        project_id = uuid.uuid4().hex
        # Laid out under a temporary name, so that a half-made project is never listed.
        making = self.root / f".making-{project_id}"
        making.mkdir()
        database = Database(making / "project.sqlite", PROJECT_TABLES)
        database.create()
        now = time.time()
        meta = {
            "name": name,
            "created": dump(now),
            "changed": dump(now),
            "settings": dump(asdict(settings or Settings())),
        }
        with database.write() as db:
            db.executemany("INSERT INTO meta(key, value) VALUES (?, ?)", list(meta.items()))
        making.rename(below(self._projects, project_id))
        fsio.sync_folder(self._projects)
        return self.open(project_id)

    def open(self, project_id: str) -> Project:
        """Raises NotFound for an id that is not there."""
        folder = below(self._projects, project_id)
        if not (folder / "project.sqlite").is_file():
            raise NotFound("NOT_FOUND", what="The project")
        return Project(folder, self.jobs, self.weights_dir)

    def projects(self) -> list[ProjectCard]:
        """All projects, the last active first. A damaged one is left out; `open` tells what is wrong."""
        return self._cards(self._projects)

    def trashed(self) -> list[ProjectCard]:
        return self._cards(self._trash)

    def rename(self, project_id: str, name: str) -> None:
        name = _checked_name(name)
        with self.open(project_id).db.write() as db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'name'", (name,))

    def delete(self, project_id: str) -> None:
        """Move a project to the trash, from where `restore` brings it back; its jobs are cancelled."""
        project = self.open(project_id)
        self.jobs.cancel_project(project_id)
        with fsio.storage_errors(project.folder):
            project.folder.rename(below(self._trash, project_id))
        fsio.sync_folders([self._projects, self._trash])

    def restore(self, project_id: str) -> Project:
        folder = below(self._trash, project_id)
        if not folder.is_dir():
            raise NotFound("NOT_FOUND", what="The project")
        with fsio.storage_errors(folder):
            folder.rename(below(self._projects, project_id))
        fsio.sync_folders([self._projects, self._trash])
        return self.open(project_id)

    def empty_trash(self) -> None:
        for folder in self._trash.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _projects(self) -> Path:
        return self.root / "projects"

    @property
    def _trash(self) -> Path:
        return self.root / "trash"

    def _check_marker(self) -> None:
        marker = self.root / "STORE.json"
        if marker.exists():
            found = json.loads(marker.read_text())["format"]
            if found > FORMAT:
                raise StorageError("NEWER_FORMAT", found=found, known=FORMAT)
        elif any(self._projects.iterdir()):
            raise StorageError("DATA_DIR_UNUSABLE", folder=str(self.root), reason="its marker STORE.json is missing")
        else:
            fsio.write_atomic(marker, dump({"format": FORMAT, "store": uuid.uuid4().hex}).encode())

    def _cards(self, parent: Path) -> list[ProjectCard]:
        cards = []
        for folder in parent.iterdir():
            if (folder / "project.sqlite").is_file():
                try:
                    cards.append(_card(folder))
                except DN2Error:
                    continue
        return sorted(cards, key=lambda card: card.last_activity, reverse=True)


def _card(folder: Path) -> ProjectCard:
    with Database(folder / "project.sqlite", PROJECT_TABLES).read() as db:
        meta = {row["key"]: row["value"] for row in db.execute("SELECT key, value FROM meta")}
        state = db.execute("SELECT version, n FROM states ORDER BY version DESC LIMIT 1").fetchone()
        scored = db.execute("SELECT count(*) FROM items WHERE role = 'scored' AND until IS NULL").fetchone()[0]
    return ProjectCard(
        id=folder.name,
        name=meta["name"],
        created=json.loads(meta["created"]),
        last_activity=json.loads(meta["changed"]),
        normals=state["n"] if state else 0,
        scored=scored,
        flagged=json.loads(meta.get("flagged", "null")),
        version=state["version"] if state else None,
    )


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= 120:
        raise Refused("PROJECT_NAME")
    return name
