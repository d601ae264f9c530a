"""Two tabs at once on one project, and the camera: each delivery says by which normals it was judged."""

import pytest

from dn2core.project import Store, run_pending
from tests.pages.app import give, jpeg

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "dn2"
    store = Store(root)
    give(store.create("Bolts"), "normal", [jpeg(seed) for seed in range(30)])
    run_pending(store)
    return root


def test_one_tab_scores_while_the_other_adds_normals(app, data, tmp_path):
    project = Store(data).projects()[0].id
    paths = [tmp_path / f"{i:03}.jpg" for i in range(120)]
    for i, path in enumerate(paths):
        path.write_bytes(jpeg(5000 + i))
    adding, scoring = app.tab(), app.tab()
    adding.go(f"/normals?project={project}")
    adding.page.get_by_text("Add normals").click()
    scoring.go(f"/score?project={project}")
    adding.page.locator('input[type="file"]').first.set_input_files(paths[:60])
    scoring.page.locator('input[type="file"]').first.set_input_files(paths[60:])
    adding.wait_for_words("90 normals, version 2", seconds=90)
    scoring.wait_for_words(r"\d+ of 60 flagged[^\n]*judged by normals version 2", seconds=90)
    scoring.wait_for_words("Deliveries")
    [batch] = Store(data).open(project).batches("scored")
    assert batch.judged["scored"] == 60 and batch.judged["version"] in (1, 2)
    adding.close()
    scoring.close()


def test_a_picture_of_the_camera_is_scored(app, data):
    project = Store(data).projects()[0].id
    tab = app.tab()
    # The browser's own pretended camera does not start every time where the machine is busy.
    assert any(_camera_runs(tab, project) for _ in range(3)), tab.words()
    tab.page.wait_for_timeout(2_000)  # the widget wants a moment more than its video
    tab.page.get_by_role("button", name="Take Photo").click()
    tab.wait_for_words(r"Last delivery:[^\n]*camera · 1 given: 1 accepted", seconds=60)
    tab.close()


def _camera_runs(tab, project: str) -> bool:
    tab.go(f"/score?project={project}")
    if tab.page.get_by_text("Score more images").count():
        tab.page.get_by_text("Score more images").click()
        tab.settled()
    tab.page.get_by_text("Take a picture").click()
    tab.settled()
    for _ in range(60):
        if tab.page.evaluate("document.querySelector('video')?.videoWidth > 0"):
            return True
        tab.page.wait_for_timeout(500)
    return False
