"""What a new user does: the demo from one click to the CSV, and then their own images."""

import csv
import io
import time

import pytest

pytestmark = pytest.mark.browser


def test_the_demo_from_the_first_click_to_the_csv(tab):
    page = tab.page
    tab.go()
    page.get_by_role("button", name="Open the demo").click()
    began = time.monotonic()
    tab.wait_for_words(r"\d+ of 40 flagged", seconds=120)
    print(f"first verdicts after {time.monotonic() - began:.0f} s")
    project = tab.param("project")

    tab.link("Normals")
    assert "72" in tab.wait_for_words("None lies beyond the limit|lies? beyond the limit")
    page.locator(".cell img").first.wait_for()
    assert tab.pictures() > 3

    tab.link("Score")
    page.locator(".cell img").first.wait_for()
    first = page.locator(".cell").first
    assert "reject" in first.inner_text() and "x" in first.inner_text()
    first.click()
    tab.wait_for_words("Flagged: farther from its 10 nearest normals")
    tab.settled()
    assert tab.param("image") and tab.param("project") == project
    neighbours = page.locator(".cell")
    neighbours.nth(1).wait_for()
    assert neighbours.first.get_attribute("aria-setsize") == "10"  # those in sight are drawn
    shown = page.locator(".pane img").first
    shown.wait_for()
    page.wait_for_timeout(500)
    assert shown.evaluate("one => one.naturalWidth") == 352

    neighbours.first.click()
    page.locator(".pane").nth(1).wait_for()
    assert "Left this image, right the normal" in tab.wait_for_words("Left this image")
    page.keyboard.press("Escape")
    tab.wait_for_words(r"\d+ of 40 flagged")
    assert tab.param("image") is None

    tab.link("Map")
    tab.wait_for_words("Near means alike")
    page.locator(".js-plotly-plot").wait_for()
    tab.wait_for_words("Drawn with UMAP", seconds=120)

    tab.link("Tune")
    slider = page.locator("input[type=range]")
    slider.focus()
    for _ in range(32):
        page.keyboard.press("ArrowRight")
    assert "k = 42" in page.locator(".line strong").inner_text()  # the picture followed, the page need not have
    tab.wait_for_words("Apply k = 42")
    assert tab.param("k") == "42"
    tab.link("Score")
    assert "at k = 10" in tab.words(), "nothing is applied before Apply"

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download CSV").click()
    text = downloading.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 40 and {row["verdict"] for row in rows} == {"pass", "reject"}
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert all(row["neighbour_2"] and row["fingerprint"] for row in rows)


def test_apply_holds_after_a_reload(tab):
    project = tab.open_project()
    tab.go(f"/tune?project={project}&k=7")
    tab.wait_for_words("Apply k = 7")
    tab.page.get_by_role("button", name="Apply k = 7").click()
    tab.wait_for_words("k = 7 is in use")
    tab.page.reload()
    tab.wait_for_words("k = 7 is in use")
    tab.go(f"/score?project={project}")
    assert "at k = 7" in tab.wait_for_words("of 40 flagged")


def test_filters_and_the_opened_picture_come_back_by_their_address(tab):
    tab.open_project()
    tab.page.get_by_role("button", name="pass").first.click()
    tab.wait_for_words(r"\d+ of 40 shown")
    assert tab.param("verdict") == "pass"
    tab.page.locator(".cell").nth(2).click()
    tab.wait_for_words("Passed: ")
    address = tab.page.url
    tab.page.reload()
    tab.wait_for_words("Passed: ")
    assert tab.page.url == address
    tab.page.get_by_role("button", name="Next").click()
    tab.wait_for_words("4 of ")
    tab.page.get_by_role("button", name="Back").click()
    tab.wait_for_words(r"\d+ of 40 shown")
    tab.page.locator(".cell.selected").wait_for()
    assert tab.page.locator(".cell.selected").get_attribute("aria-posinset") == "4"


def test_own_images_from_an_empty_project(tab, tmp_path):
    from tests.pages.app import jpeg

    normals = [tmp_path / f"good {i:02}.jpg" for i in range(25)]
    for i, path in enumerate(normals):
        path.write_bytes(jpeg(i, 120, 90))
    (tmp_path / "notes.jpg").write_text("not an image")
    page = tab.page
    tab.go()
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("Bracket <b>4711</b> [x](javascript:alert(1))")
    page.get_by_role("button", name="Create").click()
    tab.wait_for_words("Give images of good parts only")
    page.locator('input[type="file"]').first.set_input_files([*normals, tmp_path / "notes.jpg"])
    words = tab.wait_for_words("Where every file went", seconds=90)
    assert "Bracket <b>4711</b> [x](javascript:alert(1))" in words
    assert "26 given: 25 accepted, 0 duplicate, 1 rejected" in words
    page.get_by_role("button", name="Score new images").click()
    tab.wait_for_words("each is compared with 25 normals")
    page.locator('input[type="file"]').first.set_input_files([normals[0]])
    tab.wait_for_words(r"0 of 1 flagged", seconds=60)
    page.locator(".cell").first.click()
    assert "its nearest normal is itself" in tab.wait_for_words("nearest normal is itself")
