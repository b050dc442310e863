DROP INDEX batches_kept_as;
CREATE INDEX batches_kept_name ON batches (substr(kept_as, instr(kept_as, '/') + 1));  -- without its month
