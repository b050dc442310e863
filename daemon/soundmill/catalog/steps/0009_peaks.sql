CREATE TABLE peaks (
    output_id INTEGER PRIMARY KEY REFERENCES outputs (id),
    data BLOB NOT NULL  -- see audio/peaks.py; takes from before have none
) STRICT;
-- A take without a score comes after all others.
CREATE INDEX outputs_best ON outputs (batch_id, coalesce(score, -1));
