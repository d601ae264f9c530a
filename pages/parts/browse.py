"""The gallery as pages use it: judged images in an order, and the one clicked is opened."""

from pages.parts.components import gallery as component
from pages.parts.opened import last_image, show_image
from pages.parts.results import Cells


def browse(project, pictures: Cells, *, key: str, height: int, cell: int = 148, **more) -> None:
    """Draw pictures of a project; the one chosen opens, and the one that was open last is marked.

    `more` goes to the gallery: groups of pictures, keys of the keyboard.
    """
    last = last_image(project)
    opened = component.gallery(
        key=f"{key}_{project.id}",
        project_id=project.id,
        ids=pictures.ids,
        captions=pictures.captions,
        tones=pictures.tones,
        details=pictures.details,
        marks=pictures.marks,
        selected=last if last in pictures.ids else None,
        height=height,
        cell=cell,
        **more,
    )
    if opened is not None:
        show_image(opened)
