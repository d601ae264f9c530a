"""The data folder: its marker, its projects, its trash and the queue of jobs."""

import json
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dn2core.errors import DN2Error, NotFound, Refused, StorageError
from dn2core.project import fsio
from dn2core.project.catalogue import PROJECT_TABLES, Database, dump, write_meta
from dn2core.project.jobs import JobQueue
from dn2core.project.paths import below
from dn2core.project.project import Project
from dn2core.project.settings import Settings
from dn2core.project.snapshot import forget

FORMAT = 1  # of the folder as a whole
FOLDERS = ("originals", "thumbs", "vectors", "maps", "incoming")
MAKING = ".making-"  # how the names of half-made projects begin


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
        self._checked: set[str] = set()
        self.jobs = JobQueue(self.root)
        if self.jobs.renewed:
            for card in self.projects():
                with suppress(DN2Error):  # `damaged` names those that cannot be opened
                    self.open(card.id).resume()

    @property
    def weights_dir(self) -> Path:
        return self.root / "weights"

    def create(self, name: str, settings: Settings | None = None) -> Project:
        """A new, empty project.

        Raises:
            Refused: PROJECT_NAME for an empty or overlong name.
            StorageError: when the disk is full or fails.
        """
        name = _checked_name(name)
        project_id = uuid.uuid4().hex
        # Laid out under a temporary name, so that a half-made project is never listed.
        making = self.root / f"{MAKING}{project_id}"
        try:
            with fsio.storage_errors(making):
                for folder in (making, *(making / kind for kind in FOLDERS)):
                    folder.mkdir()
                database = Database(making / "project.sqlite", PROJECT_TABLES)
                database.create()
                now = time.time()
                with database.write() as db:
                    db.execute("INSERT INTO meta(key, value) VALUES ('name', ?)", (name,))
                    write_meta(db, created=now, changed=now, settings=asdict(settings or Settings()))
                making.rename(below(self._projects, project_id))
                fsio.sync_folder(self._projects)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        return self.open(project_id)

    def open(self, project_id: str) -> Project:
        """The project of this id; the first time its catalogue is checked.

        Raises:
            NotFound: for an id that is not there.
            StorageError: NEWER_FORMAT or CATALOGUE_DAMAGED.
        """
        project = Project(self._folder(project_id), self.jobs, self.weights_dir)
        if project_id not in self._checked:
            project.db.check()
            self._checked.add(project_id)
        return project

    def has(self, project_id: str) -> bool:
        """Whether there is a project of this id, in whatever state."""
        try:
            self._folder(project_id)
            return True
        except NotFound:
            return False

    def projects(self) -> list[ProjectCard]:
        """All projects, the last active first; without those that `damaged` names."""
        return self._cards(self._projects)

    def damaged(self) -> dict[str, str]:
        """Why projects cannot be opened, as a sentence, by their ids."""
        reasons = {}
        for folder in self._projects.iterdir():
            try:
                self.open(folder.name)
                _card(folder)
            except DN2Error as error:
                reasons[folder.name] = str(error)
        return reasons

    def trashed(self) -> list[ProjectCard]:
        return self._cards(self._trash)

    def rename(self, project_id: str, name: str) -> None:
        name = _checked_name(name)
        with self.open(project_id).db.write() as db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'name'", (name,))

    def delete(self, project_id: str) -> None:
        """Move a project to the trash, from where `restore` brings it back; its jobs end."""
        folder = self._folder(project_id)
        with fsio.storage_errors(folder):
            folder.rename(below(self._trash, project_id))
        self.jobs.drop_project(project_id)
        fsio.sync_folders([self._projects, self._trash])
        self._checked.discard(project_id)
        forget(project_id)

    def restore(self, project_id: str) -> Project:
        """Bring a project back from the trash; work that its deletion stopped goes on."""
        folder = below(self._trash, project_id)
        if not folder.is_dir():
            raise NotFound("NOT_FOUND", what="The project")
        with fsio.storage_errors(folder):
            folder.rename(below(self._projects, project_id))
        fsio.sync_folders([self._projects, self._trash])
        project = self.open(project_id)
        project.resume()
        self.jobs.revive(project_id)
        return project

    def empty_trash(self) -> None:
        for folder in self._trash.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, project_id: str) -> Path:
        folder = below(self._projects, project_id)
        if not (folder / "project.sqlite").is_file():
            raise NotFound("NOT_FOUND", what="The project")
        return folder

    @property
    def _projects(self) -> Path:
        return self.root / "projects"

    @property
    def _trash(self) -> Path:
        return self.root / "trash"

    def _check_marker(self) -> None:
        marker = self.root / "STORE.json"
        if marker.exists():
            try:
                found = int(json.loads(marker.read_bytes())["format"])
            except (ValueError, KeyError, TypeError) as error:
                reason = "its marker STORE.json cannot be read"
                raise StorageError("DATA_DIR_UNUSABLE", folder=str(self.root), reason=reason) from error
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
                with suppress(DN2Error):
                    cards.append(_card(folder))
        return sorted(cards, key=lambda card: card.last_activity, reverse=True)


def _card(folder: Path) -> ProjectCard:
    with Database(folder / "project.sqlite", PROJECT_TABLES).read() as db:
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            raise StorageError("CATALOGUE_DAMAGED", file="project.sqlite")
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
