"""A whole folder, a ZIP or any number of images from the browser, in parts of 32 files; none is lost unsaid."""

from pages.parts.components.assets import done, register
from pages.parts.routes import BODY_BYTES, url
from pages.parts.text import t

_folder_upload = register("folder_upload")


def folder_upload(*, key: str, project_id: str, role: str, held: bool = False, author: str = "") -> dict | None:
    """Draw the drop area; what is dropped or chosen becomes a batch and its job, also when the page is left meanwhile.

    Args:
        role: "normal" or "scored".
        held: normals that are held out to check the limit.
        author: who gives them.

    Returns:
        once all is sent: {"sent": number of files that arrived, "bad": names of those that did not, "reason": what
        the server said of it, if anything}; else None.
    """
    result = _folder_upload(
        key=key,
        data={
            "url": url("upload", project_id),
            "role": role,
            "held": held,
            "author": author,
            "largest": BODY_BYTES,
            "texts": {
                "drop": t("Drop a folder or a ZIP here"),
                "folder": t("Choose a folder"),
                "zip": t("Choose a ZIP"),
                "hint": t("With all sub-folders, any number of images. Every file is accounted for."),
                "listing": t("Reading the folder: {n} files"),
                "sending": t("{done} of {total} files · {mb} of {all} MB"),
                "left": t("about {s} s left"),
                "stop": t("Stop"),
                "stopped": t("Stopping: what arrived is kept"),
                "empty": t("There is no file in it. Choose a folder with images, or a ZIP."),
            },
        },
        on_finished_change=lambda: None,
    )
    finished = done(result, "finished")
    if finished is None:
        return None
    return {
        "sent": int(finished["sent"]),
        "bad": [str(name) for name in finished["bad"]],
        "reason": str(finished.get("reason") or ""),
    }
