"""Single files and folders of the server: what is below the roots, as it is when it is read."""

import os

import corpus
import pytest

from dn2core.errors import NotFound, Rejected
from dn2core.ingest import Limits, sources_of_file, sources_of_folder

A, B = corpus.save(corpus.noise(seed=1), "PNG"), corpus.save(corpus.noise(seed=2), "JPEG")


def outcome(source):
    try:
        return source.read()
    except Rejected as rejected:
        return rejected.code


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "lot" / "b").mkdir(parents=True)
    (root / "lot" / "2.png").write_bytes(A)
    (root / "lot" / "b" / "1.jpg").write_bytes(B)
    (root / "lot" / "packed.zip").write_bytes(corpus.pack({"x.png": A, "../y.png": B}))
    return root


def outcomes(folder, roots, **options):
    return [(source.name, outcome(source)) for source in sources_of_folder(folder, roots, **options)]


def test_a_file_is_itself(tmp_path):
    (tmp_path / "staged-17").write_bytes(A)
    [source] = sources_of_file(tmp_path / "staged-17", "../odd name.png", key="17")
    assert (source.key, source.name, source.size, source.read()) == ("17", "../odd name.png", len(A), A)


def test_a_file_is_bounded_also_when_it_grows(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(100))
    [source] = sources_of_file(path, "a.png", limits=Limits(file_bytes=100))
    assert outcome(source) == bytes(100)
    path.write_bytes(bytes(101))
    assert outcome(source) == "FILE_TOO_BIG"


def test_a_file_that_vanished_or_is_no_file(tmp_path):
    [source] = sources_of_file(tmp_path / "gone", "a.png")
    assert outcome(source) == "FILE_VANISHED"
    [source] = sources_of_file(tmp_path / "gone", "a.zip")
    assert outcome(source) == "FILE_VANISHED"
    [source] = sources_of_file(tmp_path, "a.png")
    assert outcome(source) in ("UNSUPPORTED_ENTRY", "FILE_UNREADABLE")


def test_a_folder_is_listed_by_path_with_stable_keys(root):
    listing = sources_of_folder(root / "lot", [root], key="3")
    assert [(s.key, s.name) for s in listing] == [
        ("3/2.png", "2.png"),
        ("3/packed.zip/0", "x.png"),
        ("3/packed.zip/1", "../y.png"),
        ("3/b/1.jpg", "b/1.jpg"),
    ]
    (root / "lot" / "1.png").write_bytes(A)
    assert {s.key for s in listing} < {s.key for s in sources_of_folder(root / "lot", [root], key="3")}
    assert [outcome(s) for s in listing] == [A, A, "UNSAFE_PATH", B]


@pytest.mark.parametrize("folder", ["/etc", "~/.ssh", "..", "elsewhere", "lot/2.png", "lot/../.."])
def test_a_folder_outside_and_a_folder_that_is_not_are_not_told_apart(root, folder):
    with pytest.raises(NotFound, match=r"^The folder was not found"):
        sources_of_folder(root / folder, [root])
    with pytest.raises(NotFound, match=r"^The folder was not found"):
        sources_of_folder(root / "lot", [])


def test_a_folder_whose_name_starts_like_a_root_is_outside(root, tmp_path):
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "a.png").write_bytes(A)
    with pytest.raises(NotFound):
        sources_of_folder(tmp_path / "root2", [root])


def test_a_folder_by_a_link_that_leaves_is_outside(root, tmp_path):
    (tmp_path / "secret").mkdir()
    (root / "door").symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        sources_of_folder(root / "door", [root])


def test_links_that_leave_are_refused_and_links_inside_are_read(root, tmp_path):
    (tmp_path / "secret.png").write_bytes(B)
    lot = root / "lot"
    (lot / "out.png").symlink_to(tmp_path / "secret.png")
    (lot / "in.png").symlink_to(lot / "2.png")
    (lot / "none.png").symlink_to(lot / "missing.png")
    (lot / "round.png").symlink_to(lot / "round.png")
    (lot / "up").symlink_to(root)
    got = dict(outcomes(lot, [root]))
    assert got["in.png"] == A
    assert {got[name] for name in ("out.png", "none.png", "round.png", "up")} == {"UNSUPPORTED_ENTRY"}


def test_special_files_are_refused_without_waiting(root):
    os.mkfifo(root / "lot" / "pipe.png")
    assert dict(outcomes(root / "lot", [root]))["pipe.png"] == "UNSUPPORTED_ENTRY"


def test_a_file_swapped_for_a_link_after_the_listing_is_not_read(root, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    listing = sources_of_folder(root / "lot", [root])
    (root / "lot" / "2.png").unlink()
    (root / "lot" / "2.png").symlink_to(tmp_path / "secret.png")
    assert outcome(listing[0]) == "UNSUPPORTED_ENTRY"


def test_a_folder_swapped_for_a_link_after_the_listing_is_not_read(root, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.jpg").write_bytes(b"secret")
    listing = sources_of_folder(root / "lot", [root])
    (root / "lot" / "b").rename(root / "lot" / "c")
    (root / "lot" / "b").symlink_to(tmp_path / "b")
    assert outcome(listing[-1]) == "UNSUPPORTED_ENTRY"


def test_what_vanished_is_listed_and_the_rest_comes_in(root):
    listing = sources_of_folder(root / "lot", [root])
    (root / "lot" / "2.png").unlink()
    assert [outcome(s) for s in listing] == ["FILE_VANISHED", A, "UNSAFE_PATH", B]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_listed(root):
    (root / "lot" / "2.png").chmod(0)
    assert outcomes(root / "lot", [root])[0] == ("2.png", "FILE_UNREADABLE")


def test_litter_and_hidden_files_are_ignored_with_a_count(root):
    lot = root / "lot"
    (lot / ".git").mkdir()
    (lot / ".git" / "x.png").write_bytes(A)
    (lot / "Thumbs.db").write_bytes(b"x")
    (lot / "b" / ".hidden.png").write_bytes(A)
    listing = sources_of_folder(lot, [root])
    assert len(listing) == 4 and listing.ignored == 3


def test_an_empty_folder_says_so(root):
    (root / "empty" / "inside").mkdir(parents=True)
    with pytest.raises(NotFound, match="A file to import in this folder was not found"):
        sources_of_folder(root / "empty", [root])


def test_names_that_are_no_text_can_be_stored_and_stay_apart(root):
    for name in (b"a\xff.png", b"a\xfe.png"):
        with open(os.path.join(os.fsencode(root / "lot" / "b"), name), "wb") as file:
            file.write(A)
    listing = sources_of_folder(root / "lot", [root])
    odd = [s for s in listing if "\\x" in s.name]
    assert [s.name for s in odd] == ["b/a\\xfe.png", "b/a\\xff.png"]
    assert all(s.name.encode() and s.key.encode() and s.read() == A for s in odd)
