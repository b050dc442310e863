ALTER TABLE batches ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';  -- names of the columns that set nothing
ALTER TABLE batches ADD COLUMN kept_as TEXT;  -- its file in inbox/accepted; NULL, as modified_ns: before it was recorded
ALTER TABLE batches ADD COLUMN modified_ns INTEGER;  -- the file's own time when it was read
ALTER TABLE batches ADD COLUMN rest_of INTEGER REFERENCES batches;  -- it has the rows which that one lacks
CREATE INDEX batches_kept_as ON batches (kept_as);
CREATE INDEX batches_rest_of ON batches (rest_of) WHERE rest_of IS NOT NULL;
UPDATE batches SET labels = (
    SELECT json_group_array(key) FROM (
        SELECT l.key AS key FROM jobs j, json_each(j.labels) l WHERE j.batch_id = batches.id
        GROUP BY l.key ORDER BY min(j.position), min(l.id)
    )
);
