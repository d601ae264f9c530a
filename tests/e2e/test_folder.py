"""A whole folder of the browser, and hostile names, arrive as they are."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)> $x$ **b**.png"


def tiny(i: int) -> bytes:
    """A PNG of a few pixels, another one for each number below 2**24."""
    pixels = np.full((12, 12, 3), 90, np.uint8)
    pixels[0, 0] = (i >> 16, (i >> 8) & 255, i & 255)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def project(tab):
    tab.go()
    if tab.page.get_by_role("button", name="New project").count():
        tab.page.get_by_role("button", name="New project").click()
    tab.page.get_by_label("Name").fill("Folder")
    tab.page.get_by_role("button", name="Create").click()
    tab.wait_for_words("Give images of good parts only")
    tab.page.get_by_text("Folder or ZIP").click()
    tab.page.locator("input#folder").wait_for(state="attached")
    return tab.param("project")


@pytest.mark.timeout(240)
def test_two_thousand_files_of_a_folder_arrive_whole(tab, project, tmp_path):
    folder = tmp_path / "parts"
    for i in range(2000):
        path = folder / f"lot {i % 4}" / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny(i))
    tab.page.locator("input#folder").set_input_files(folder)
    tab.wait_for_words("2,000 given: 2,000 accepted, 0 duplicate, 0 rejected", seconds=200)


def test_a_zip_with_hostile_names_harms_nobody(tab, project, tmp_path):
    archive = tmp_path / "parts.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        for i in range(21):
            writing.writestr(f"a/{i:02}.png", tiny(70_000 + i))
        writing.writestr(HOSTILE, tiny(80_000))
        writing.writestr("../escape.png", tiny(80_001))
        writing.writestr("=1+1.txt", b"no image")
    tab.page.locator("input#zip").set_input_files(archive)
    tab.wait_for_words("24 given: 22 accepted, 0 duplicate, 2 rejected", seconds=60)
    for page in ("normals", "score", "map", "tune"):
        tab.go(f"/{page}?project={project}")
        tab.page.wait_for_timeout(500)
    tab.go(f"/normals?project={project}&image=%3Cscript%3E")
    tab.page.locator(".cell").nth(21).wait_for()
    shown = tab.page.locator(".cell").evaluate_all("all => all.map(one => one.title)")
    assert len(shown) == 22 and HOSTILE in shown


def test_an_upload_goes_on_when_its_page_is_left(tab, project, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(300):
        (folder / f"{i:03}.png").write_bytes(tiny(200_000 + i) + bytes(100_000))
    # Parts are held back, so that the page is surely left in the middle.
    tab.page.route("**/dn2/upload/**part=*", lambda route: (tab.page.wait_for_timeout(150), route.continue_()))
    tab.page.locator("input#folder").set_input_files(folder)
    tab.page.get_by_text("of 300 files").wait_for()
    tab.page.locator('[data-testid="stSidebar"]').get_by_role("link", name="Home").click()
    tab.page.locator(".st-key-dn2_cards").wait_for()
    tab.link("Normals")
    tab.wait_for_words("300 given: 300 accepted, 0 duplicate, 0 rejected", seconds=90)
