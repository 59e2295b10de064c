-- Every question of the gallery is a walk along an index, however many images there are.

-- Hosts that images come from.
CREATE TABLE origin_hosts (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE         -- as in a URL; empty if the URL has none
);
ALTER TABLE origins ADD COLUMN host INTEGER REFERENCES origin_hosts (id);

-- When a blob was first had, in milliseconds since 1970.
ALTER TABLE blobs ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;

-- Blobs in the order in which they were first had, by host and type: one row for each host that gave it, and one
-- for host 0, which stands for all.
CREATE TABLE shelf (
    host  INTEGER NOT NULL,
    type  TEXT NOT NULL,               -- blobs.extension
    kept  INTEGER NOT NULL,
    blob  INTEGER NOT NULL,
    PRIMARY KEY (host, type, kept, blob)
) WITHOUT ROWID;

-- Which documents show a blob by their newest record.
CREATE TABLE shown (
    blob      INTEGER NOT NULL,
    document  INTEGER NOT NULL,
    PRIMARY KEY (blob, document)
) WITHOUT ROWID;

CREATE INDEX snapshots_by_blob ON snapshots (blob);
-- What others had to give.
CREATE INDEX snapshots_of_others ON snapshots (source) 
    WHERE source IN ('proxy', 'configured_proxy', 'wayback');
CREATE INDEX failures_by_reason ON failures (reason, at);

-- A host that does not give a blob any more has it no longer on its shelf.
CREATE TRIGGER snapshot_gone AFTER DELETE ON snapshots BEGIN
    DELETE FROM shelf
    WHERE host = (SELECT host FROM origins WHERE key = old.origin)
      AND type = (SELECT extension FROM blobs WHERE id = old.blob)
      AND kept = (SELECT kept FROM blobs WHERE id = old.blob)
      AND blob = old.blob
      AND NOT EXISTS (SELECT 1 FROM snapshots JOIN origins ON key = origin
                      WHERE snapshots.blob = old.blob AND origins.host = shelf.host);
    DELETE FROM shelf
    WHERE host = 0
      AND type = (SELECT extension FROM blobs WHERE id = old.blob)
      AND kept = (SELECT kept FROM blobs WHERE id = old.blob)
      AND blob = old.blob
      AND NOT EXISTS (SELECT 1 FROM snapshots WHERE snapshots.blob = old.blob);
END;

CREATE TRIGGER blob_gone AFTER DELETE ON blobs BEGIN
    DELETE FROM shelf
    WHERE host IN (SELECT 0 UNION ALL SELECT id FROM origin_hosts)
      AND type = old.extension AND kept = old.kept AND blob = old.id;
    DELETE FROM shown WHERE blob = old.id;
END;
