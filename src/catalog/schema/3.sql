-- What a daemon does by itself now and then, so that a restart neither repeats nor forgets it.

CREATE TABLE chores (
    name    TEXT PRIMARY KEY,
    done    INTEGER NOT NULL,          -- when it was last done, in milliseconds since 1970
    cursor  BLOB                       -- how far it came, for one that is done in parts
) WITHOUT ROWID;

-- Documents that are not where they were, since collecting garbage first missed them.
CREATE TABLE gone (
    document  INTEGER PRIMARY KEY REFERENCES documents (id),
    since     INTEGER NOT NULL         -- milliseconds since 1970
);

-- Blobs that nothing referred to, since it was first noticed.
CREATE TABLE unreferenced (
    blob   INTEGER PRIMARY KEY REFERENCES blobs (id),
    since  INTEGER NOT NULL            -- milliseconds since 1970
);
