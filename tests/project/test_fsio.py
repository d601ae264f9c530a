import errno
import os
import sqlite3

import pytest

from dn2core.errors import NotFound, StorageError
from dn2core.project import fsio
from dn2core.project.catalogue import Database, Tables, journal_mode
from dn2core.project.paths import below, by_hash, data_dir


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number, code", [(errno.ENOSPC, "DISK_FULL"), (errno.EIO, "STORAGE_FAILED")])
def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch, call, number, code):
    path = tmp_path / "file"
    fsio.write_atomic(path, b"old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StorageError) as raised:
            fsio.write_atomic(path, b"new")
    assert raised.value.code == code
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    fsio.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_content_is_synced_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))[1])
    fsio.write_atomic(tmp_path / "file", b"content")
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("part", ["..", ".", "", "a/b", "a\\b", "/etc", ".hidden", "nul\0", "x" * 200, "ü"])
def test_only_plain_names_become_paths(tmp_path, part):
    with pytest.raises(NotFound):
        below(tmp_path, part)


def test_content_lies_under_its_hash(tmp_path):
    assert by_hash(tmp_path, "ab" + "0" * 62, ".jpg") == tmp_path / "ab" / ("ab" + "0" * 62 + ".jpg")


def test_the_data_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "here"))
    assert data_dir() == tmp_path / "here"
    monkeypatch.delenv("DN2_DATA")
    assert data_dir().name == "dn2"


@pytest.mark.parametrize(
    "version, mode",
    [
        ((3, 40, 1), "TRUNCATE"),
        ((3, 44, 5), "TRUNCATE"),
        ((3, 44, 6), "WAL"),
        ((3, 45, 0), "TRUNCATE"),
        ((3, 50, 7), "WAL"),
        ((3, 51, 2), "TRUNCATE"),
        ((3, 51, 3), "WAL"),
        ((3, 52, 0), "WAL"),
    ],
)
def test_wal_only_where_sqlite_has_the_fix(version, mode):
    assert journal_mode(version) == mode


def test_a_failed_transaction_changes_nothing(tmp_path):
    database = Database(tmp_path / "x.sqlite", Tables("CREATE TABLE t(a)"))
    database.create()
    with pytest.raises(ZeroDivisionError), database.write() as db:
        db.execute("INSERT INTO t VALUES (1)")
        1 / 0  # noqa: B018
    with database.read() as db:
        assert db.execute("SELECT count(*) FROM t").fetchone()[0] == 0


def test_a_damaged_or_newer_catalogue_is_refused(tmp_path):
    database = Database(tmp_path / "x.sqlite", Tables("CREATE TABLE t(a)"))
    database.create()
    database.check()
    with database.write() as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer version"):
        database.check()
    database.path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="damaged"):
        database.check()


@pytest.mark.parametrize("write", [fsio.write_atomic, fsio.write_content, fsio.write_derived])
def test_a_late_write_does_not_bring_back_the_folder_of_a_deleted_project(tmp_path, write):
    write(tmp_path / "vectors" / "file", b"x")
    assert (tmp_path / "vectors" / "file").read_bytes() == b"x"
    with pytest.raises(StorageError, match="No such file"):
        write(tmp_path / "deleted" / "vectors" / "file", b"x")
    assert not (tmp_path / "deleted").exists()


def test_a_question_of_many_parts_sees_one_state(tmp_path):
    database = Database(tmp_path / "x.sqlite", Tables("CREATE TABLE t(a)"))
    database.create()
    with database.read() as db:
        assert db.execute("SELECT count(*) FROM t").fetchone()[0] == 0
        with pytest.raises(sqlite3.OperationalError), sqlite3.connect(database.path, timeout=0) as other:
            other.execute("INSERT INTO t VALUES (1)")
            other.commit()
        other.close()
        assert db.execute("SELECT count(*) FROM t").fetchone()[0] == 0


def test_a_broken_rule_of_ours_is_not_called_a_damaged_file(tmp_path):
    database = Database(tmp_path / "x.sqlite", Tables("CREATE TABLE t(a UNIQUE)"))
    database.create()
    with pytest.raises(sqlite3.IntegrityError), database.write() as db:
        db.execute("INSERT INTO t VALUES (1), (1)")
    with pytest.raises(NotFound), database.read() as db:
        db.execute("SELECT * FROM t WHERE a = ?", (2**70,))


def test_an_emptied_catalogue_is_damaged(tmp_path):
    with pytest.raises(StorageError, match="damaged"):
        Database(tmp_path / "empty.sqlite", Tables("CREATE TABLE t(a)")).check()
