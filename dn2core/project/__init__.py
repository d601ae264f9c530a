"""All that is on disk, and the long work on it."""

from dn2core.project.jobs import Job, JobQueue
from dn2core.project.maps import MapTable
from dn2core.project.paths import data_dir, folder_roots
from dn2core.project.project import Project
from dn2core.project.records import Batch, Item, Outcome, State
from dn2core.project.settings import K_MAX, PRESETS, Settings
from dn2core.project.snapshot import Items, Neighbour, Snapshot
from dn2core.project.store import ProjectCard, Store
from dn2core.project.supervisor import Service, open_service
from dn2core.project.worker import run_pending

__all__ = [
    "K_MAX",
    "PRESETS",
    "Batch",
    "Item",
    "Items",
    "Job",
    "JobQueue",
    "MapTable",
    "Neighbour",
    "Outcome",
    "Project",
    "ProjectCard",
    "Service",
    "Settings",
    "Snapshot",
    "State",
    "Store",
    "data_dir",
    "folder_roots",
    "open_service",
    "run_pending",
]
