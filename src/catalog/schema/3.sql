-- What a daemon does by itself now and then, so that a restart neither repeats nor forgets it.

CREATE TABLE chores (
    name    TEXT PRIMARY KEY,
    done    INTEGER NOT NULL,          -- when it was last done, in milliseconds since 1970
    cursor  BLOB                       -- how far it came, for one that is done in parts
) WITHOUT ROWID;
