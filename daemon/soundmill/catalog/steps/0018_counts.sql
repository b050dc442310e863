-- How takes of a batch were filed and judged, counted without reading them.
CREATE INDEX outputs_filed ON outputs (batch_id, kept, verdict);
CREATE INDEX outputs_quarantined ON outputs (batch_id) WHERE quarantined = 1;
-- The best and the worst of a batch in whole points, as its page lists them.
CREATE INDEX outputs_points ON outputs (batch_id, round(score));
