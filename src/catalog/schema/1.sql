-- One image is named by many documents, one document is looked at by many runs, and most runs find
-- nothing new: the tables are shaped so that such a run reads `documents` once and nothing else.

CREATE TABLE runs (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    command  TEXT NOT NULL,
    started  INTEGER NOT NULL          -- milliseconds since 1970
);

CREATE TABLE blobs (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,   -- 32 bytes
    extension  TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    width      INTEGER,
    height     INTEGER
);

-- The key is the first 16 bytes of the SHA-256 of the URL.
CREATE TABLE origins (
    key  BLOB PRIMARY KEY,
    url  TEXT NOT NULL
) WITHOUT ROWID;

-- What an origin gave, and when.
CREATE TABLE snapshots (
    origin         BLOB NOT NULL,
    taken          INTEGER NOT NULL,   -- milliseconds since 1970
    blob           INTEGER NOT NULL REFERENCES blobs (id),
    source         TEXT NOT NULL,
    url            TEXT,               -- where the bytes came from, if not from the origin's own URL
    etag           TEXT,
    last_modified  TEXT,
    PRIMARY KEY (origin, taken)
) WITHOUT ROWID;

-- The newest failure of each origin that has no copy; `attempts` is a JSON array.
CREATE TABLE failures (
    origin    BLOB PRIMARY KEY,
    at        INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    detail    TEXT NOT NULL,
    attempts  TEXT NOT NULL
) WITHOUT ROWID;

-- What is known of a document as it was last seen. The path is relative to the store's folder, as bytes.
CREATE TABLE documents (
    id        INTEGER PRIMARY KEY,
    path      BLOB NOT NULL UNIQUE,
    stat      BLOB NOT NULL,           -- identity of the file when it was last read or written
    plan      BLOB NOT NULL,           -- what the plan depended on: rules, families, scope
    found     INTEGER NOT NULL,
    proxied   INTEGER NOT NULL,
    archived  INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    skipped   INTEGER NOT NULL
);

-- What stood in each span of a rewritten document, by the digest of what it became. Rows are added before a
-- document is replaced and never removed; only a rewrite to the very same bytes takes a row's place. So no
-- crash and no second process can take a document's way back.
CREATE TABLE rewrites (
    id        INTEGER PRIMARY KEY,
    document  INTEGER NOT NULL REFERENCES documents (id),
    after     BLOB NOT NULL,           -- digest of the document that holds the kept links
    before    BLOB NOT NULL,           -- digest of the document with every span put back
    mtime     INTEGER NOT NULL,        -- of the document before, nanoseconds since 1970
    edits     BLOB NOT NULL
);
CREATE UNIQUE INDEX rewrites_by_document ON rewrites (document, after);
-- A document that was moved is known by its bytes.
CREATE INDEX rewrites_by_after ON rewrites (after);
