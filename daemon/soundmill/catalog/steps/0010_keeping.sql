DROP INDEX batches_kept_as;
CREATE INDEX batches_kept_name ON batches (substr(kept_as, instr(kept_as, '/') + 1));  -- without its month
ALTER TABLE outputs ADD COLUMN fade_s REAL;  -- with what makes the same file again; NULL: made before it was recorded
ALTER TABLE outputs ADD COLUMN pruned_at REAL;  -- its file went then, by the rules of retention

CREATE INDEX jobs_inputs ON jobs (id)
    WHERE status IN ('queued', 'running') AND (melody IS NOT NULL OR continue_from IS NOT NULL);

-- Takes that are marked as pruned and whose files are still to be removed; see catalog/keeping/retention.py.
CREATE TABLE prunings (
    output_id INTEGER PRIMARY KEY REFERENCES outputs
) STRICT;
