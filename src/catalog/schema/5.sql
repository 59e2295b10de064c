-- What collecting garbage must not forget.

-- When it was noticed once more that a document is gone, or that nothing refers to a blob: a day later or more.
ALTER TABLE gone ADD COLUMN confirmed INTEGER;
ALTER TABLE unreferenced ADD COLUMN confirmed INTEGER;

-- When a blob was removed that records still refer to, in milliseconds since 1970; their way back needs its name, and no
-- other blob may have its id.
ALTER TABLE blobs ADD COLUMN removed INTEGER;

-- Blobs that a document from stdin was pointed at: nobody knows where it is now.
CREATE TABLE given_out (
    blob  INTEGER PRIMARY KEY REFERENCES blobs (id)
);
