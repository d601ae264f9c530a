"""The intake: order, accounting and bounds, whatever the files are and however the threads run."""

import hashlib
import random
import threading
import time

import corpus
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dn2core.errors import Rejected, StorageError
from dn2core.ingest import Limits, check_all, decode
from dn2core.ingest.sources import Source

GOOD = [corpus.save(corpus.noise(8, 8, seed=i), "PNG") for i in range(20)]


def source(key, data, name=None):
    read = data if callable(data) else lambda: data
    return Source(str(key), name or f"{key}.png", 0, read)


def raising(error):
    def read():
        raise error

    return read


def test_each_source_yields_its_hash_bytes_and_picture_in_order():
    sources = [source(i, data) for i, data in enumerate(GOOD)]
    results = list(check_all(sources, threads=3))
    assert [r[0] for r in results] == sources
    for (_, sha256, data, decoded), given_data in zip(results, GOOD, strict=True):
        assert data == given_data and sha256 == hashlib.sha256(given_data).hexdigest()
        np.testing.assert_array_equal(decoded.image, decode(given_data).image)


def test_one_bad_file_in_the_middle_stops_nothing_and_moves_nothing():
    sources = [source(i, GOOD[i % 20]) for i in range(300)]
    sources[150] = source(150, GOOD[0][:-30])
    results = list(check_all(sources, threads=4))
    assert len(results) == 300
    for position, (from_source, *rest) in enumerate(results):
        assert from_source is sources[position]
        if position == 150:
            assert rest[0].code == "TRUNCATED"
        else:
            assert rest[1] == GOOD[position % 20]


KINDS = {
    "good": (GOOD[0], None),
    "same": (GOOD[0], None),
    "cut": (GOOD[1][:40], "TRUNCATED"),
    "empty": (b"", "EMPTY_FILE"),
    "text": (b"hello", "NOT_AN_IMAGE"),
    "vanished": (raising(Rejected("FILE_VANISHED")), "FILE_VANISHED"),
    "io error": (raising(OSError(5, "Input/output error")), "FILE_UNREADABLE"),
    "no memory": (raising(MemoryError()), "DECODER_MEMORY"),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=40), st.integers(1, 5))
def test_accepted_and_refused_add_up_to_what_was_given(kinds, threads):
    sources = [source(i, KINDS[kind][0]) for i, kind in enumerate(kinds)]
    results = list(check_all(sources, threads=threads))
    accepted = [r for r in results if len(r) == 4]
    rejected = [r for r in results if len(r) == 2]
    assert len(accepted) + len(rejected) == len(kinds)
    assert [r[0].key for r in results] == [str(i) for i in range(len(kinds))]
    assert [r[1].code if len(r) == 2 else None for r in results] == [KINDS[kind][1] for kind in kinds]
    unique = len({r[1] for r in accepted})
    assert unique == (1 if accepted else 0)  # the same content has the same hash


def test_order_holds_when_threads_finish_in_another():
    generator = random.Random(0)

    def slow(data, seconds):
        def read():
            time.sleep(seconds)
            return data

        return read

    sources = [source(i, slow(GOOD[i % 20], generator.random() / 200)) for i in range(60)]
    assert [r[0].key for r in check_all(sources, threads=6)] == [str(i) for i in range(60)]


def test_a_bounded_number_is_decoded_ahead():
    read = []
    sources = (source(i, lambda i=i: read.append(i) or GOOD[i % 20]) for i in range(200))
    results = check_all(sources, threads=2)
    next(results)
    time.sleep(0.2)
    assert len(read) <= 2 * 2 + 1
    results.close()


def test_who_stops_in_the_middle_leaves_no_thread_behind():
    before = set(threading.enumerate())
    results = check_all([source(i, GOOD[i % 20]) for i in range(100)], threads=3)
    next(results)
    results.close()
    assert not [t for t in threading.enumerate() if t not in before and t.is_alive()]


def test_sources_are_taken_as_they_are_needed():
    def endless():
        number = 0
        while True:
            yield source(number, GOOD[number % 20])
            number += 1

    results = check_all(endless(), threads=2)
    assert [next(results)[0].key for _ in range(30)] == [str(i) for i in range(30)]
    results.close()


def test_prepare_runs_where_the_picture_was_decoded_and_its_result_is_yielded():
    threads = set()

    def prepare(from_source, sha256, data, decoded):
        threads.add(threading.current_thread().name)
        return from_source.key, sha256[:4], len(data), decoded.image.shape

    results = list(check_all([source(i, data) for i, data in enumerate(GOOD)], threads=2, prepare=prepare))
    for i, (_, result) in enumerate(results):
        assert result == (str(i), hashlib.sha256(GOOD[i]).hexdigest()[:4], len(GOOD[i]), (8, 8, 3))
    assert threading.current_thread().name not in threads


def test_prepare_may_refuse_a_file_but_a_full_disk_is_not_the_files_fault():
    def refuse(from_source, *_):
        if from_source.key == "3":
            raise Rejected("NOT_AN_IMAGE")
        return True

    sources = [source(i, data) for i, data in enumerate(GOOD)]
    results = list(check_all(sources, prepare=refuse))
    assert [r[1] if r[1] is True else r[1].code for r in results] == [True] * 3 + ["NOT_AN_IMAGE"] + [True] * 16

    def full(from_source, *_):
        if from_source.key == "3":
            raise StorageError("DISK_FULL")
        return True

    taken = []
    with pytest.raises(StorageError, match="The disk is full"):
        for result in check_all(sources, prepare=full):
            taken.append(result)
    assert len(taken) == 3


def test_limits_and_the_smaller_decoding_reach_the_decoder():
    data = corpus.save(corpus.smooth(400, 400), "JPEG")
    [(_, _, _, decoded)] = check_all([source(0, data)], at_least=90)
    assert decoded.image.shape == (100, 100, 3) and (decoded.width, decoded.height) == (400, 400)
    [(_, rejected)] = check_all([source(0, data)], limits=Limits(pixels=159_999))
    assert rejected.code == "TOO_MANY_PIXELS"


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("a.png", ("CONTENT_IS JPEG",)),
        ("a.JPG", ()),
        ("a.jpeg", ()),
        ("a", ()),
        ("a.dat", ()),
        ("x.tif", ("CONTENT_IS JPEG",)),
    ],
)
def test_a_name_that_promises_another_format_is_noted(name, noted):
    [(_, _, _, decoded)] = check_all([source(0, corpus.save(corpus.noise(), "JPEG"), name)])
    assert decoded.notes == (("CONTENT_IS JPEG",) if noted else ())


def test_no_sources_are_no_results():
    assert list(check_all([])) == []


def test_a_refusal_does_not_keep_the_picture_in_memory():
    [(_, rejected)] = check_all([source(0, GOOD[0][:40])])
    assert rejected.__traceback__ is None
