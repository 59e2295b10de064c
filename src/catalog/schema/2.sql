-- Who was asked, whom to leave alone, and who still wants what. From here on the key of an origin takes http
-- and https for one where no port is named; the rows of version 1 are keyed anew beside this script.

-- A JSON array: who was asked before and gave nothing, if anybody.
ALTER TABLE snapshots ADD COLUMN attempts TEXT;

-- Which documents hold references to origins that have no copy.
CREATE TABLE wanted (
    document  INTEGER NOT NULL REFERENCES documents (id),
    origin    BLOB NOT NULL,
    PRIMARY KEY (document, origin)
) WITHOUT ROWID;
CREATE INDEX wanted_by_origin ON wanted (origin);

-- What is known of hosts: how to ask them, and which to leave alone.
CREATE TABLE hosts (
    name      TEXT PRIMARY KEY,
    failures  INTEGER NOT NULL,        -- images in a row that it did not answer for
    closings  INTEGER NOT NULL,        -- how often in a row it was left alone
    reason    TEXT,                    -- why it is left alone
    until     INTEGER,                 -- and until when, in milliseconds since 1970
    manner    TEXT                     -- the manner of asking that helped before
) WITHOUT ROWID;

-- Which bytes of which host were found to be a placeholder.
CREATE TABLE placeholders (
    digest  BLOB NOT NULL,
    host    TEXT NOT NULL,
    at      INTEGER NOT NULL,          -- milliseconds since 1970
    PRIMARY KEY (digest, host)
) WITHOUT ROWID;
