CREATE TABLE fingerprints (
    output_id INTEGER PRIMARY KEY REFERENCES outputs(id),
    data BLOB NOT NULL  -- see audio/fingerprint/; takes from before have none
) STRICT;
