ALTER TABLE batches RENAME COLUMN chosen_at TO changed_at;  -- when anything its report tells last changed
UPDATE batches SET changed_at = (
    SELECT max(coalesce(batches.changed_at, 0), max(r.rated_at))
    FROM ratings r JOIN outputs o ON o.id = r.output_id WHERE o.batch_id = batches.id
) WHERE id IN (SELECT o.batch_id FROM ratings r JOIN outputs o ON o.id = r.output_id);
DROP INDEX batches_unreported;
CREATE INDEX batches_report_owed ON batches (id)
    WHERE finished_at IS NOT NULL AND (reported_at IS NULL OR reported_at < changed_at);
