ALTER TABLE jobs ADD COLUMN final_attempt INTEGER;  -- whose take counts, once the job succeeded; seldom an earlier one
UPDATE jobs SET final_attempt = attempt WHERE status = 'succeeded';
ALTER TABLE batches ADD COLUMN chosen_at REAL;  -- when takes of it were last chosen or moved
CREATE INDEX scores_scorer ON scores (scorer, score);

-- Groups of takes (jobs of one position with keep_best) that are to be chosen among.
CREATE TABLE selections_due (
    batch_id INTEGER NOT NULL REFERENCES batches,
    position INTEGER NOT NULL,
    only_rated INTEGER NOT NULL DEFAULT 0,  -- nothing but a rating is new
    PRIMARY KEY (batch_id, position)
) STRICT, WITHOUT ROWID;

-- Takes on their way to another place; see catalog/moves.py for the steps.
CREATE TABLE moves (
    output_id INTEGER PRIMARY KEY REFERENCES outputs,
    batch_id INTEGER NOT NULL REFERENCES batches,
    target TEXT NOT NULL,
    leftover TEXT  -- the former path, once outputs.path is the new one
) STRICT;
CREATE INDEX moves_batch ON moves (batch_id);

CREATE TRIGGER jobs_choose AFTER UPDATE OF status ON jobs
WHEN new.keep_best IS NOT NULL AND new.status IN ('succeeded', 'failed', 'cancelled') AND NOT EXISTS (
    SELECT 1 FROM jobs WHERE batch_id = new.batch_id AND position = new.position AND status IN ('queued', 'running'))
BEGIN
    INSERT INTO selections_due (batch_id, position) VALUES (new.batch_id, new.position)
        ON CONFLICT DO UPDATE SET only_rated = 0;
END;

-- A choice made stands; a score that comes for a take nobody has chosen yet may be what the choice waits for.
CREATE TRIGGER scores_choose AFTER INSERT ON scores
WHEN new.scorer <> 'soundmill' AND (SELECT kept FROM outputs WHERE id = new.output_id) IS NULL
BEGIN
    INSERT INTO selections_due (batch_id, position)
        SELECT j.batch_id, j.position FROM outputs o JOIN jobs j ON j.id = o.job_id
        WHERE o.id = new.output_id AND j.keep_best IS NOT NULL
        ON CONFLICT DO UPDATE SET only_rated = 0;
END;
