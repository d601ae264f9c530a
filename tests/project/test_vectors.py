"""Chunks of vectors on disk: what is read is what was written, or it is called damaged."""

import numpy as np
import pytest

from dn2core.errors import NotFound, StorageError
from dn2core.project import vectors
from dn2core.project.catalogue import PROJECT_TABLES, Database


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vectors").mkdir()
    return tmp_path / "vectors"


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)


def test_a_chunk_comes_back_bit_for_bit(folder, features):
    np.testing.assert_array_equal(vectors.load_chunk(folder, *vectors.save_chunk(folder, features)), features)


@pytest.mark.parametrize("position", [0, 8, 100, 130, -1])
def test_one_flipped_bit_anywhere_is_noticed(folder, features, position):
    chunk = vectors.save_chunk(folder, features)
    data = bytearray((folder / chunk[0]).read_bytes())
    data[position] ^= 1
    (folder / chunk[0]).write_bytes(data)
    with pytest.raises(StorageError, match=chunk[0]):
        vectors.load_chunk(folder, *chunk)


def test_a_cut_or_missing_chunk_is_damaged_too(folder, features):
    chunk = vectors.save_chunk(folder, features)
    (folder / chunk[0]).write_bytes((folder / chunk[0]).read_bytes()[:-4])
    with pytest.raises(StorageError, match="damaged"):
        vectors.load_chunk(folder, *chunk)
    (folder / chunk[0]).unlink()
    with pytest.raises(StorageError, match="damaged"):
        vectors.load_chunk(folder, *chunk)


def test_a_name_in_the_catalogue_never_leads_out_of_the_folder(folder):
    with pytest.raises(NotFound):
        vectors.load_chunk(folder, "../../etc/passwd", "0" * 64)


def test_nothing_pickled_is_ever_read(folder):
    import hashlib

    np.save(folder / "evil.npy", np.array([{"a": 1}], object), allow_pickle=True)
    sha256 = hashlib.sha256((folder / "evil.npy").read_bytes()).hexdigest()
    with pytest.raises(ValueError, match="allow_pickle"):
        vectors.load_chunk(folder, "evil.npy", sha256)


def test_rows_are_gathered_in_the_order_asked_for(folder, features):
    one, other = vectors.save_chunk(folder, features), vectors.save_chunk(folder, features + 100)
    places = [(*other, 3), (*one, 0), (*other, 0), (*one, 4), (*one, 0)]
    wanted = np.stack([features[3] + 100, features[0], features[0] + 100, features[4], features[0]])
    np.testing.assert_array_equal(vectors.gather(folder, places), wanted)
    assert vectors.gather(folder, []).shape == (0, 0)


def test_only_damaged_chunks_of_the_fingerprint_are_forgotten(folder, features, tmp_path, monkeypatch):
    database = Database(tmp_path / "x.sqlite", PROJECT_TABLES)
    database.create()
    chunks = [vectors.save_chunk(folder, features[:2]) for _ in range(3)]
    with database.write() as db:
        for image in range(1, 7):
            db.execute("INSERT INTO images VALUES (?, ?, 'PNG', 'RGB', 1, 1, 1, '[]')", (image, str(image)))
        for number, (chunk, fingerprint) in enumerate(zip(chunks, ("f", "f", "g"), strict=True)):
            vectors.record(db, fingerprint, chunk, [2 * number + 1, 2 * number + 2])
    for broken in (chunks[1], chunks[2]):
        (folder / broken[0]).write_bytes(b"")
    real = vectors.load_chunk

    def load(*args):
        with database.write():  # nobody has to wait while the chunks are read
            return real(*args)

    monkeypatch.setattr(vectors, "load_chunk", load)
    assert vectors.drop_damaged(folder, database, "f") == 1
    with database.read() as db:
        assert [row[0] for row in db.execute("SELECT image_id FROM vectors ORDER BY 1")] == [1, 2, 5, 6]
        assert [row[0] for row in db.execute("SELECT file FROM chunks")] == [chunks[0][0], chunks[2][0]]
