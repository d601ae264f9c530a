-- The catalogue as version 0.3.0 wrote it (format 3).
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE images(
    id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, format TEXT NOT NULL, mode TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL, notes TEXT NOT NULL);
CREATE TABLE batches(
    id INTEGER PRIMARY KEY, role TEXT NOT NULL CHECK (role IN ('normal', 'scored')), source TEXT NOT NULL,
    created REAL NOT NULL, finished REAL, job_id INTEGER, judged TEXT, held INTEGER NOT NULL DEFAULT 0,
    author TEXT NOT NULL DEFAULT '');
CREATE TABLE staged(
    batch_id INTEGER NOT NULL REFERENCES batches(id), position INTEGER NOT NULL, name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')), location TEXT NOT NULL,
    PRIMARY KEY (batch_id, position)) WITHOUT ROWID;
CREATE TABLE items(
    id INTEGER PRIMARY KEY, role TEXT NOT NULL, image_id INTEGER NOT NULL REFERENCES images(id),
    name TEXT NOT NULL, batch_id INTEGER NOT NULL REFERENCES batches(id), added REAL NOT NULL,
    since INTEGER, until INTEGER, held INTEGER NOT NULL DEFAULT 0, lot TEXT, cleaned INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS items_by_image ON items(image_id, role);
CREATE INDEX IF NOT EXISTS items_in_use ON items(role, until);
CREATE TABLE outcomes(
    batch_id INTEGER NOT NULL REFERENCES batches(id), key TEXT NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'duplicate', 'rejected')),
    code TEXT, params TEXT NOT NULL, item_id INTEGER, PRIMARY KEY (batch_id, key)) WITHOUT ROWID;
CREATE TABLE states(
    version INTEGER PRIMARY KEY, created REAL NOT NULL, reason TEXT NOT NULL, n INTEGER NOT NULL,
    backbone TEXT NOT NULL, preset TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE chunks(
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE vectors(
    image_id INTEGER NOT NULL REFERENCES images(id), fingerprint TEXT NOT NULL,
    chunk_id INTEGER NOT NULL REFERENCES chunks(id), row INTEGER NOT NULL,
    PRIMARY KEY (image_id, fingerprint)) WITHOUT ROWID;
CREATE TABLE maps(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, kind TEXT NOT NULL, reason TEXT,
    fingerprint TEXT NOT NULL, normalise INTEGER NOT NULL, file TEXT NOT NULL);

CREATE TABLE labels(
    image_id INTEGER PRIMARY KEY REFERENCES images(id), label TEXT NOT NULL, note TEXT NOT NULL,
    author TEXT NOT NULL, at REAL NOT NULL, event_id INTEGER NOT NULL REFERENCES events(id));
CREATE TABLE events(
    id INTEGER PRIMARY KEY, at REAL NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER,
    settings TEXT NOT NULL, image_id INTEGER REFERENCES images(id), details TEXT NOT NULL);
CREATE TABLE lot_changes(
    event_id INTEGER NOT NULL REFERENCES events(id), item_id INTEGER NOT NULL REFERENCES items(id), before TEXT,
    PRIMARY KEY (event_id, item_id)) WITHOUT ROWID;
CREATE TABLE claims(
    image_id INTEGER PRIMARY KEY REFERENCES images(id), holder TEXT NOT NULL, author TEXT NOT NULL, at REAL NOT NULL);

CREATE TABLE reductions(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    normalise INTEGER NOT NULL, method TEXT NOT NULL, share REAL NOT NULL, file TEXT NOT NULL);
CREATE TABLE comparisons(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, finished REAL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    job_id INTEGER, file TEXT NOT NULL);

CREATE INDEX IF NOT EXISTS events_by_image ON events(image_id);
