"""Two tabs at once: one gives normals, the other images to score, while a worker works."""

import threading

from dn2core.project import run_pending
from dn2core.project.normals import remove_normals
from dn2core.project.snapshot import snapshot
from tests.project.helpers import assert_each_encoded_once, give, rows

ROUNDS = 5


def together(*tasks):
    """Run functions on threads at once; the first error of any is raised."""
    errors, start = [], threading.Barrier(len(tasks))

    def run(task):
        start.wait()
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_normals_and_images_to_score_given_at_once_all_arrive(store, fake_encoder, picture):
    project = store.create("Busy")
    give(project, "normal", [(f"first{i}.png", picture(i)) for i in range(10)])
    run_pending(store)
    giving = threading.Event()

    def tab(role, shade, seed):
        other = store.open(project.id)
        for turn in range(ROUNDS):
            files = [(f"{role}{turn}-{i}.png", picture(seed + 10 * turn + i, shade=shade)) for i in range(5)]
            give(other, role, [*files, ("broken.png", b"x"), ("again.png", files[0][1])])

    def tabs():
        try:
            together(lambda: tab("normal", 128, 1_000), lambda: tab("scored", 220, 2_000))
        finally:
            giving.set()

    def worker():
        while not giving.is_set() or store.jobs.active():
            run_pending(store)

    def watcher():
        while not giving.is_set() or store.jobs.active():
            view = snapshot(store.open(project.id))
            assert len(view.normals) == view.state.n == view.bank.n
            assert len(view.found.distances) == len(view.scored) == len(view.judge().scores)

    together(tabs, worker, watcher)

    normals, scored = project.batches("normal"), project.batches("scored")
    for batch in [*normals[:-1], *scored]:
        assert (batch.given, batch.accepted, batch.duplicate, batch.rejected) == (7, 5, 1, 1)
        assert batch.finished is not None
    assert project.state().version == 1 + ROUNDS and project.state().n == 10 + 5 * ROUNDS
    known = dict(rows(project, "SELECT version, n FROM states"))
    assert known == {1 + turn: 10 + 5 * turn for turn in range(ROUNDS + 1)}
    # Jobs are done in the order in which they came, so each batch was judged by the normals given before it.
    order = sorted(normals + scored, key=lambda batch: batch.job_id)
    version = 0
    for batch in order:
        version += batch.role == "normal"
        if batch.role == "scored":
            assert (batch.judged["version"], batch.judged["normals"]) == (version, known[version])
            assert batch.judged["scored"] == 5
    assert_each_encoded_once(project, 10 + 10 * ROUNDS)


def test_two_tabs_staging_into_one_batch_lose_no_file(store, fake_encoder, picture):
    project = store.create("Busy")
    batch = project.new_batch("normal", "test")

    def tab(seed):
        for i in range(10):
            store.open(project.id).stage(batch, f"{seed + i}.png", picture(seed + i))

    together(lambda: tab(0), lambda: tab(100), lambda: tab(200))
    project.submit(batch)
    run_pending(store)
    assert project.state().n == 30 and len(project.outcomes(batch, "accepted")) == 30


def test_normals_removed_in_one_tab_while_another_adds_some(store, fake_encoder, picture):
    project = store.create("Busy")
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(20)])
    run_pending(store)
    first = project.snapshot().normals.ids[:6].tolist()
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(20, 30)])
    together(
        lambda: run_pending(store),
        lambda: [remove_normals(store.open(project.id), [item]) for item in first],
    )
    assert [version for (version,) in rows(project, "SELECT version FROM states ORDER BY 1")] == list(range(1, 9))
    assert project.state().n == 24 == len(project.snapshot().normals)
    assert not set(first) & set(project.snapshot().normals.ids.tolist())


def test_many_tabs_on_a_cold_project_build_one_snapshot(store, fake_encoder, picture, monkeypatch):
    import dn2core.project.snapshot as module

    project = store.create("Cold")
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(20)])
    run_pending(store)
    module.forget(project.id)
    built, real = [], module._build
    monkeypatch.setattr(module, "_build", lambda p: (built.append(1), real(p))[1])
    seen = []
    together(*[lambda: seen.append(store.open(project.id).snapshot())] * 8)
    assert len(built) == 1 and all(view is seen[0] for view in seen)


def test_nobody_waits_for_the_snapshot_of_another_project(store, fake_encoder, picture, monkeypatch):
    import dn2core.project.snapshot as module

    slow, quick = store.create("Slow"), store.create("Quick")
    for project in (slow, quick):
        give(project, "normal", [(f"{i}.png", picture(i)) for i in range(5)])
    run_pending(store)
    module.forget(slow.id)
    begun, release, real = threading.Event(), threading.Event(), module._build

    def build(project):
        if project.id == slow.id:
            begun.set()
            assert release.wait(30)
        return real(project)

    monkeypatch.setattr(module, "_build", build)

    def other_tab():
        begun.wait(30)
        remove_normals(quick, quick.snapshot().normals.ids[:1].tolist())
        assert quick.snapshot().state.n == 4
        release.set()

    together(slow.snapshot, other_tab)
