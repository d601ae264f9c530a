"""Take the README's pictures of the demo: python docs/screenshots.py (needs what the browser tests need)."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.project import Store, run_pending
from dn2core.project.demo import open_demo
from dn2core.project.labels import DEFECT, GOOD, set_label
from dn2core.project.patches import patch_view
from tests.browser import ROOT, chromium, serving

PICTURES = ROOT / "docs" / "screenshots"
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "dn2"
        store = Store(data)
        project = store.open(open_demo(store, wait=True)[0])
        project.change_settings(patches="bank")
        run_pending(store)
        shown = project.snapshot()
        places = patch_view(project, shown).scores
        place = shown.scored.ids[places.argsort()[-7]]
        worst = shown.scored.ids[shown.judge().scores.argsort()[-2]]
        near = shown.neighbours_of(int(worst), 1)[0].item_id
        for item, name in zip(shown.scored.ids.tolist(), shown.scored.names, strict=True):
            if (item // 2) % 3:  # two thirds were looked at
                set_label(project, item, GOOD if "good" in name else DEFECT, author="Ada")
        pages = {
            "score": ("light", f"score?project={project.id}"),
            "opened": ("light", f"score?project={project.id}&image={worst}&against={near}"),
            "where": ("dark", f"where?project={project.id}&image={place}"),
            "clean": ("light", f"clean?project={project.id}"),
            "review": ("light", f"review?project={project.id}"),
            "limits": ("dark", f"limits?project={project.id}&one_in=20"),
            "map": ("dark", f"map?project={project.id}"),
            "tune": ("light", f"tune?project={project.id}&k=24"),
            "score-dark": ("dark", f"score?project={project.id}"),
        }
        with chromium() as browser, serving(ROOT / "app.py", Path(folder) / "log", DN2_DATA=str(data)) as address:
            for name, (theme, path) in pages.items():
                context = browser.new_context(viewport={"width": 1280, "height": 880}, color_scheme=theme)
                page = context.new_page()
                page.goto(f"{address}/{path}")
                page.wait_for_selector(SETTLED)
                page.wait_for_timeout(2_500)
                page.wait_for_selector(SETTLED)
                page.screenshot(path=PICTURES / f"{name}.png")
                context.close()


if __name__ == "__main__":
    main()
