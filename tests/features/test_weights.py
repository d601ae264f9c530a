"""Weights: found, fetched whole or not at all, checked by content, and read without running anything."""

import errno
import hashlib
import os
import pickle
import socket
import threading
import time
import urllib.error
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from dn2core.errors import StorageError, WeightsUnavailable
from dn2core.features import BACKBONES, Weights, fetch, find, load_encoder
from dn2core.features.weights import load_state, locate

CONTENT = bytes(range(256)) * 12_000  # 3 MB: several pieces of a download


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "weights"


@pytest.fixture
def server(monkeypatch):
    """A server on this machine. `answers[path] = (status, headers, body)`; `server.url` is where it listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = self.server.answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("dn2core.features.weights._TIMEOUT_S", 5)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.handle_error = lambda *_: None  # a client that hangs up is no news
        served.url = f"http://127.0.0.1:{served.server_port}"
        served.answers = {}
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def row(server):
    """A network whose weights that server has."""
    server.answers["/good.pth"] = (200, {"Content-Length": len(CONTENT)}, CONTENT)
    return row_of(Weights("good.pth", 3.1, hashlib.sha256(CONTENT).hexdigest(), url=f"{server.url}/good.pth"))


def row_of(weights):
    return replace(BACKBONES["resnet18"], weights=weights)


def saved(path, content):
    """Save by torch; (path, SHA-256)."""
    torch.save(content, path)
    return path, digest(path)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# fetching


def test_a_download_is_whole_before_it_has_its_name(row, folder):
    told = []

    def progress(done, total):
        told.append((done, total))
        (part,) = folder.iterdir()
        assert part.name.startswith(".good.pth.") and part.name.endswith(".part")

    path = fetch(row, folder, progress)
    assert path == folder / "good.pth" and path.read_bytes() == CONTENT
    assert [file.name for file in folder.iterdir()] == ["good.pth"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert told[-1] == (len(CONTENT), len(CONTENT)) and told == sorted(told) and len(told) >= 3
    assert find(row, folder).kind == "found" and locate(row, folder) == (path, row.weights.sha256)


def test_what_is_there_is_not_fetched_again(row, folder, server):
    fetch(row, folder)
    server.answers.clear()
    assert locate(row, folder)[0] == folder / "good.pth"


def test_the_encoder_fetches_what_it_needs(row, folder):
    encoder = load_encoder(row, weights_dir=folder)
    assert encoder.sha256 == row.weights.sha256 and encoder.weights == folder / "good.pth"


def test_a_server_that_does_not_tell_the_size(row, folder, server):
    server.answers["/good.pth"] = (200, {}, CONTENT)
    told = []
    fetch(row, folder, lambda *done: told.append(done))
    assert told[-1] == (len(CONTENT), 3_100_000)


def test_a_server_that_tells_nonsense_as_the_size(row, folder, server):
    server.answers["/good.pth"] = (200, {"Content-Length": "many"}, CONTENT)
    assert fetch(row, folder).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        ((200, {"Content-Length": len(CONTENT)}, CONTENT[:-1]), "WEIGHTS_UNAVAILABLE", "ended after 3,071,999 of 3,07"),
        ((200, {"Content-Length": len(CONTENT)}, b""), "WEIGHTS_UNAVAILABLE", "ended after 0 of 3,072,000 bytes"),
        ((200, {}, CONTENT[:-1]), "WEIGHTS_WRONG_CONTENT", "is not the published one"),
        ((200, {}, CONTENT[:-1] + b"x"), "WEIGHTS_WRONG_CONTENT", "is not the published one"),
        ((200, {}, b"<html>Please log in</html>"), "WEIGHTS_WRONG_CONTENT", "is not the published one"),
        ((200, {}, CONTENT * 2), "WEIGHTS_UNAVAILABLE", "sends more than 5 MB"),
        ((404, {}, b"not here"), "WEIGHTS_UNAVAILABLE", "the server answered 404"),
        ((503, {}, b""), "WEIGHTS_UNAVAILABLE", "the server answered 503"),
    ],
    ids=["cut", "nothing", "cut, size not told", "one byte off", "another page", "too much", "missing", "busy"],
)
def test_a_download_that_fails_leaves_nothing(row, folder, server, answer, code, reason):
    server.answers["/good.pth"] = answer
    with pytest.raises(WeightsUnavailable, match=reason) as refused:
        fetch(row, folder)
    assert refused.value.code == code
    assert list(folder.iterdir()) == [] and find(row, folder).kind == "download"


def test_a_caller_that_stops_leaves_nothing(row, folder):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(row, folder, stop)
    assert list(folder.iterdir()) == []


def test_without_a_network_the_sentence_says_what_to_put_where(folder, monkeypatch):
    def no_network(*_, **__):
        raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(WeightsUnavailable) as refused:
        load_encoder("resnet50", weights_dir=folder)
    told = str(refused.value)
    assert refused.value.code == "WEIGHTS_UNAVAILABLE"
    for word in ("ResNet-50", "resnet50-0676ba61.pth", str(folder), "102.5 MB", "name resolution"):
        assert word in told
    assert "https://download.pytorch.org/models/resnet50-0676ba61.pth" in told
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "trouble",
    [ConnectionRefusedError("refused"), TimeoutError("timed out"), OSError(errno.EHOSTUNREACH, "No route to host")],
    ids=lambda trouble: type(trouble).__name__,
)
def test_a_connection_that_breaks_in_the_middle(row, folder, monkeypatch, trouble):
    read = []

    def broken(self, size):
        if read:
            raise trouble
        read.append(size)
        return CONTENT[:size]

    monkeypatch.setattr("http.client.HTTPResponse.read", broken)
    with pytest.raises(WeightsUnavailable, match=str(trouble).replace("[", r"\[").replace("]", r"\]")) as refused:
        fetch(row, folder)
    assert refused.value.code == "WEIGHTS_UNAVAILABLE" and list(folder.iterdir()) == []


def test_a_full_disk_is_told_as_such(row, folder, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dn2core.features.weights.os.fsync", full)
    with pytest.raises(StorageError, match="The disk is full"):
        fetch(row, folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made(row, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"weights folder .*file/weights could not be read or written") as refused:
        fetch(row, tmp_path / "file" / "weights")
    assert refused.value.code == "STORAGE_FAILED"


def test_parts_of_a_download_that_died_are_cleared_and_those_of_a_living_one_are_not(row, folder):
    folder.mkdir()
    for name, age in ((".good.pth.dead.part", 7200), (".good.pth.alive.part", 60), (".other.pth.dead.part", 7200)):
        (folder / name).write_bytes(b"part")
        os.utime(folder / name, (time.time() - age,) * 2)
    fetch(row, folder)
    assert sorted(file.name for file in folder.iterdir()) == [
        ".good.pth.alive.part",
        ".other.pth.dead.part",
        "good.pth",
    ]


# finding


def test_the_default_is_bundled(folder):
    status = find("efficientnet_lite0", folder)
    assert status.kind == "bundled" and status.path.is_file()
    assert digest(status.path) == BACKBONES["efficientnet_lite0"].weights.sha256
    assert status.path.stat().st_size == pytest.approx(status.megabytes * 1e6, rel=0.01)


def test_weights_that_only_a_package_brings(folder):
    row = row_of(Weights("own.pth", 1.0, "0" * 64, package="dn2-no-such-package"))
    assert find(row, folder).kind == "download"
    message = "Install the package dn2-no-such-package, or put the file own.pth into the folder"
    with pytest.raises(WeightsUnavailable, match=message) as refused:
        locate(row, folder)
    assert refused.value.code == "WEIGHTS_NOT_INSTALLED" and str(folder) in str(refused.value)


def test_without_a_folder_nothing_is_fetched(row):
    with pytest.raises(WeightsUnavailable, match="no folder for weights was given"):
        load_encoder(row)


def test_a_file_of_that_name_with_another_content(folder):
    folder.mkdir()
    (folder / "resnet18-f37072fd.pth").write_bytes(b"something else")
    assert find("resnet18", folder).kind == "found"  # by name alone
    with pytest.raises(WeightsUnavailable, match=r"expected SHA-256 f37072fd47e89c5e\.\.\., got") as refused:
        load_encoder("resnet18", weights_dir=folder)
    assert refused.value.code == "WEIGHTS_WRONG_CONTENT"
    assert "resnet18-f37072fd.pth" in str(refused.value) and str(folder) in str(refused.value)
    assert (folder / "resnet18-f37072fd.pth").exists()  # it is the user's own


def test_a_file_changed_after_it_was_checked_is_found_when_it_is_read(small):
    row, folder = small()
    encoder = load_encoder(row, weights_dir=folder)
    saved(folder / "small.pth", {"gain": torch.full((3,), 2.0)})
    with pytest.raises(WeightsUnavailable, match="is not the published one"):
        encoder.encode([])


# reading


def test_tensors_come_back(tmp_path):
    from safetensors.torch import save_file

    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7)}
    path, sha256 = saved(tmp_path / "state.pth", state)
    save_file(state, tmp_path / "state.safetensors")
    for back in (
        load_state(path, sha256),
        load_state(path, sha256[:8]),
        load_state(tmp_path / "state.safetensors", ""),
    ):
        assert back.keys() == state.keys() and all(torch.equal(back[key], state[key]) for key in state)


class Evil:
    """Unpickling this creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", ["torch", "torch, the old format", "pickle"])
def test_code_in_a_weights_file_is_not_run(tmp_path, save):
    done, path = tmp_path / "done", tmp_path / "evil.pth"
    content = {"a": torch.zeros(1), "b": Evil(done)}
    if save == "pickle":
        path.write_bytes(pickle.dumps({"b": Evil(done)}))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=save == "torch")
    with pytest.raises(WeightsUnavailable, match=r"The weights file evil\.pth cannot be read") as refused:
        load_state(path, digest(path))
    assert refused.value.code == "WEIGHTS_UNREADABLE" and not done.exists()
    pickle.loads(pickle.dumps(Evil(done)))
    assert done.exists()  # it would have worked


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_file_that_was_cut(tmp_path, kept):
    path, sha256 = saved(tmp_path / "cut.pth", {"a": torch.zeros(1000)})
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept >= 1 else int(kept * len(data))])
    with pytest.raises(WeightsUnavailable) as refused:
        load_state(path, sha256)
    assert refused.value.code == "WEIGHTS_WRONG_CONTENT"
    with pytest.raises(WeightsUnavailable, match=r"cut\.pth cannot be read \(.+\)") as refused:
        load_state(path, digest(path))
    assert refused.value.code == "WEIGHTS_UNREADABLE"


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, {"a": {"b": torch.zeros(1)}}, torch.zeros(2)])
def test_what_is_no_table_of_tensors(tmp_path, content):
    path, sha256 = saved(tmp_path / "other.pth", content)
    with pytest.raises(WeightsUnavailable, match="it is not a table of tensors"):
        load_state(path, sha256)


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(WeightsUnavailable, match=r"gone\.pth cannot be read \(No such file or directory\)"):
        load_state(tmp_path / "gone.pth", "")
