-- Whether the catalog can be trusted to hold what the journal holds.

-- How many bytes of each file of the journal are recorded here. A file that is longer, or not named, holds more.
CREATE TABLE journals (
    name    TEXT PRIMARY KEY,
    length  INTEGER NOT NULL
) WITHOUT ROWID;

-- Which file the catalog was when it was last opened: a copy is another file. One row at most.
CREATE TABLE place (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    file   INTEGER NOT NULL,           -- its number
    system INTEGER NOT NULL            -- of its file system
);

-- SQLite does not notice a flipped bit in a value. These 32 bits do: of what a document is put back by, and of which
-- bytes an origin gave. NULL in rows of earlier versions.
ALTER TABLE rewrites ADD COLUMN sum INTEGER;
ALTER TABLE snapshots ADD COLUMN sum INTEGER;

-- Parts of the journal that could not be read when the catalog was made of it: what they held it does not have.
CREATE TABLE lost (
    name   TEXT NOT NULL,              -- of the file
    start  INTEGER NOT NULL,           -- the byte at which the part starts
    why    TEXT NOT NULL,
    PRIMARY KEY (name, start)
) WITHOUT ROWID;
