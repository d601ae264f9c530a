"""ZIPs, friendly and hostile: each entry one outcome, whole archives refused before anything is read."""

import struct
import zipfile

import corpus
import pytest

from dn2core.errors import Rejected
from dn2core.ingest import Limits, sources_of_file, sources_of_zip

A, B = corpus.save(corpus.noise(seed=1), "PNG"), corpus.save(corpus.noise(seed=2), "JPEG")


@pytest.fixture
def listed(tmp_path):
    """listed(bytes) -> {label: content or code} of a ZIP on disk, and nothing else may appear there."""

    def listing(data, **options):
        path = tmp_path / "given.zip"
        path.write_bytes(data)
        sources = sources_of_zip(path, "given.zip", key="7", **options)
        outcomes = [(source.name, outcome(source)) for source in sources]
        assert [p.name for p in tmp_path.iterdir()] == ["given.zip"]
        return outcomes

    return listing


def outcome(source):
    try:
        return source.read()
    except Rejected as rejected:
        assert str(rejected).endswith(".")
        return rejected.code


def test_entries_come_in_order_with_stable_keys(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(corpus.pack({"b/2.png": A, "b/": b"", ".DS_Store": b"x", "a/1.jpg": B}))
    sources = sources_of_zip(path, "a.zip", key="17")
    assert [(s.key, s.name, s.size) for s in sources] == [("17/0", "b/2.png", len(A)), ("17/3", "a/1.jpg", len(B))]
    assert [s.read() for s in sources] == [A, B]
    assert [s.key for s in sources_of_zip(path, "a.zip", key="17")] == [s.key for s in sources]


@pytest.mark.parametrize(
    "name",
    ["../x.png", "/abs.png", "C:\\x.png", "c:x.png", "..\\x.png", "a/../b.png", "a/./../b.png", "\\\\host\\x.png"],
)
def test_a_path_that_leaves_is_refused_and_the_rest_comes_in(listed, name):
    data = corpus.pack_raw([(corpus.entry(name), A), (corpus.entry("good.png"), B)])
    assert listed(data) == [(name, "UNSAFE_PATH"), ("good.png", B)]


@pytest.mark.parametrize("name", ["a..b.png", "..a.png/x.png", "a/./b.png", "-rf.png", "CON.png", "=1+1.png"])
def test_odd_but_harmless_names_come_in(listed, name):
    expected = [] if name.startswith("..") else [(name, A)]
    assert listed(corpus.pack_raw([(corpus.entry(name), A), (corpus.entry("b"), B)])) == [*expected, ("b", B)]


@pytest.mark.parametrize("mode", [0o120777, 0o020644, 0o060644, 0o010644, 0o140755])
def test_links_and_devices_are_refused(listed, mode):
    data = corpus.pack_raw([(corpus.entry("link", mode), b"/etc/passwd"), (corpus.entry("a.png", 0o100644), A)])
    assert listed(data) == [("link", "UNSUPPORTED_ENTRY"), ("a.png", A)]


@pytest.mark.parametrize("name", ["inner.zip", "x/INNER.ZIP", "a.tar.gz", "b.7z", "c.rar"])
def test_archives_inside_are_refused_by_name(listed, name):
    assert listed(corpus.pack({name: corpus.pack({"a.png": A}), "b.png": A})) == [
        (name, "NESTED_ARCHIVE"),
        ("b.png", A),
    ]


def test_encrypted_entries_are_refused_one_by_one(listed):
    data = corpus.pack({"secret.png": A, "open.png": B})
    data = corpus.patch_list(data, 0, 8, struct.pack("<H", 1))
    assert listed(data) == [("secret.png", "ENCRYPTED_ENTRY"), ("open.png", B)]


def test_an_entry_whose_own_name_differs_from_the_list_is_refused(listed):
    data = corpus.pack({"a.png": A, "b.png": B}).replace(b"a.png", b"c.png", 1)  # only where the entry is
    assert listed(data) == [("a.png", "CRC_MISMATCH"), ("b.png", B)]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_a_bound_on_memory_are_refused(listed, method):
    assert listed(corpus.pack({"a.png": A}, method)) == [("a.png", "UNSUPPORTED_COMPRESSION")]


def test_an_unknown_method_is_named(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(corpus.patch_list(corpus.pack({"a.png": A}), 0, 10, struct.pack("<H", 9)))
    [source] = sources_of_zip(path, "a.zip")
    with pytest.raises(Rejected, match="deflate64"):
        source.read()


def test_a_wrong_checksum_is_found(listed):
    data = corpus.pack({"a.png": A, "b.png": B}, zipfile.ZIP_STORED)
    place = data.index(A) + 50
    damaged = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
    assert listed(damaged) == [("a.png", "CRC_MISMATCH"), ("b.png", B)]


@pytest.mark.parametrize("size", [10, 10**6])
def test_a_size_that_lies_is_found(listed, size):
    data = corpus.patch_list(corpus.pack({"a.png": A, "b.png": B}), 0, 24, struct.pack("<I", size))
    assert listed(data) == [("a.png", "CRC_MISMATCH"), ("b.png", B)]


def test_overlapping_entries_refuse_the_whole_archive(listed):
    assert listed(corpus.overlapping()) == [("given.zip", "ARCHIVE_OVERLAP")]
    assert listed(corpus.quoted()) == [("given.zip", "ARCHIVE_OVERLAP")]


def test_an_entry_may_end_exactly_where_the_next_begins(listed):
    assert len(listed(corpus.pack({f"{i}.png": A for i in range(50)}, zipfile.ZIP_STORED))) == 50


def test_a_bomb_is_refused_by_what_it_would_unpack_to(listed):
    data = corpus.pack({f"{i}.bmp": bytes(1_000_000) for i in range(10)})
    assert len(data) < 20_000
    assert listed(data, limits=Limits(zip_bytes=9_999_999)) == [("given.zip", "ARCHIVE_TOO_BIG")]
    assert len(listed(data, limits=Limits(zip_bytes=10_000_000))) == 10


def test_a_large_entry_is_refused_unread(listed):
    data = corpus.pack({"big.bmp": bytes(2_000_000), "a.png": A})
    assert listed(data, limits=Limits(file_bytes=1_999_999)) == [("big.bmp", "FILE_TOO_BIG"), ("a.png", A)]
    assert listed(data, limits=Limits(file_bytes=2_000_000))[0][1] == bytes(2_000_000)


def test_blank_pictures_that_pack_well_come_in_and_impossible_ratios_do_not(listed):
    data = corpus.pack({"blank.bmp": bytes(3_000_000)})
    assert listed(data)[0][1] == bytes(3_000_000)
    assert listed(data, limits=Limits(zip_ratio=100)) == [("blank.bmp", "RATIO_TOO_HIGH")]


def test_too_many_entries_are_counted_before_the_list_is_read(listed, monkeypatch):
    data = corpus.pack({f"{i}": b"x" for i in range(12)})
    assert len(listed(data, limits=Limits(zip_entries=12))) == 12
    assert listed(data, limits=Limits(zip_entries=11)) == [("given.zip", "TOO_MANY_ENTRIES")]

    monkeypatch.setattr(zipfile, "ZipFile", None)  # would fail if it were opened
    assert listed(data, limits=Limits(zip_entries=11)) == [("given.zip", "TOO_MANY_ENTRIES")]


def test_a_record_that_lies_about_the_number_is_found_by_reading(listed):
    data = corpus.pack({f"{i}": b"x" for i in range(12)})
    end = data.index(b"PK\x05\x06")
    lying = data[: end + 8] + struct.pack("<HH", 1, 1) + data[end + 12 :]
    assert listed(lying, limits=Limits(zip_entries=11)) == [("given.zip", "TOO_MANY_ENTRIES")]


def test_zip64_is_read_and_its_numbers_are_believed_no_more(tmp_path, listed):
    path = tmp_path / "given.zip"
    with zipfile.ZipFile(path, "w") as target, target.open("a.png", "w", force_zip64=True) as file:
        file.write(A)
    data = path.read_bytes()
    assert listed(data) == [("a.png", A)]

    end = data.index(b"PK\x05\x06")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, 10**12, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    tail = data[end : end + 8] + b"\xff" * 12 + b"\0\0"
    assert listed(data[:end] + record + locator + tail) == [("given.zip", "TOO_MANY_ENTRIES")]


@pytest.mark.parametrize("cut", [1, 10, 22, 40, 100])
def test_a_cut_zip_is_refused_whole(listed, cut):
    assert listed(corpus.pack({"a.png": A, "b.png": B})[:-cut]) == [("given.zip", "BAD_ARCHIVE")]


def test_no_zip_at_all(listed):
    assert listed(b"just text") == [("given.zip", "BAD_ARCHIVE")]
    assert listed(b"") == [("given.zip", "BAD_ARCHIVE")]


def test_bytes_in_front_do_not_matter(listed):
    assert listed(b"#!/bin/sh\n" * 50 + corpus.pack({"a.png": A, "b.png": B})) == [("a.png", A), ("b.png", B)]


def test_a_list_whose_entries_are_elsewhere_is_refused(listed):
    data = corpus.pack({"a.png": A})
    assert listed(corpus.patch_list(data, 0, 42, struct.pack("<I", 5))) == [("given.zip", "BAD_ARCHIVE")]


def test_names_are_all_kept_and_none_replaces_another(listed):
    entries = [
        (corpus.entry(n), bytes([i]) * 9) for i, n in enumerate(["a.png", "A.png", "a.png", "检查.png", "é.png"])
    ]
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = corpus.pack_raw(entries)
    assert listed(data) == [(info.filename, content) for info, content in entries]


def test_names_without_the_utf8_mark_are_read_as_utf8_where_they_fit(listed):
    data = corpus.pack({"abcdef.png": A}).replace(b"abcdef", "äöü".encode())
    assert listed(data) == [("äöü.png", A)]
    data = corpus.pack({"abcdef.png": A}).replace(b"abcdef", b"\x81\x84\x94xyz")  # cp437 for ü ä ö
    assert listed(data) == [("üäöxyz.png", A)]


def test_the_field_for_a_unicode_name_counts_while_its_checksum_fits(listed):
    for raw, expected in ((b"x.png", "検.png"), (b"other", "x.png")):
        body = b"\1" + struct.pack("<I", zipfile.crc32(raw)) + "検.png".encode()
        info = corpus.entry("x.png", extra=struct.pack("<HH", 0x7075, len(body)) + body)
        assert listed(corpus.pack_raw([(info, A)])) == [(expected, A)]


def test_litter_is_ignored_with_a_count_and_an_empty_zip_says_so(tmp_path):
    path = tmp_path / "a.zip"
    litter = {"__MACOSX/._a.png": b"x", "x/.DS_Store": b"x", "Thumbs.db": b"x", "folder/": b""}
    path.write_bytes(corpus.pack({**litter, "a.png": A}))
    listing = sources_of_zip(path, "a.zip")
    assert [s.name for s in listing] == ["a.png"] and listing.ignored == 3
    path.write_bytes(corpus.pack(litter))
    listing = sources_of_zip(path, "a.zip")
    assert [(s.name, outcome(s)) for s in listing] == [("a.zip", "ARCHIVE_EMPTY")] and listing.ignored == 3


def test_a_folder_that_has_content_is_a_file(listed):
    assert listed(corpus.pack_raw([(corpus.entry("a.png/"), A)])) == [("a.png/", A)]


def test_a_name_with_nul_is_not_cut_to_a_good_one(listed):
    data = corpus.pack({"good.pngXevil": A}).replace(b"good.pngXevil", b"good.png\0evil")
    assert listed(data) == [("good.png\0evil", "UNSAFE_PATH")]


def test_zips_are_recognised_by_name_and_content(tmp_path):
    def names(data, name):
        path = tmp_path / "staged"
        path.write_bytes(data)
        return [source.name for source in sources_of_file(path, name)]

    archive = corpus.pack({"a.png": A})
    assert names(archive, "x.ZIP") == ["a.png"] and names(archive, "nameless") == ["a.png"]
    assert names(archive, "report.docx") == ["report.docx"]  # refused at decoding, its parts are nobody's images
    assert names(A, "picture.zip") == ["picture.zip"]
    assert names(A, "nameless") == ["nameless"]
    assert names(b"text", "x.zip") == ["x.zip"]


def test_many_threads_read_one_archive(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "a.zip"
    contents = {f"{i}.bin": bytes([i]) * (1000 + i) for i in range(100)}
    path.write_bytes(corpus.pack(contents))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda source: source.read(), sources_of_zip(path, "a.zip")))
    assert read == list(contents.values())


def test_an_archive_without_entries_is_one_refused_file(tmp_path):
    path = tmp_path / "empty.zip"
    zipfile.ZipFile(path, "w").close()
    [source] = sources_of_file(path, "empty.zip", key="1", limits=Limits())
    with pytest.raises(Rejected) as refused:
        source.read()
    assert refused.value.code == "ARCHIVE_EMPTY"
