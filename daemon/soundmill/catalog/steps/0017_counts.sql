-- How takes were filed and judged, counted without reading them. What is the same for most is not in these indexes.
CREATE INDEX outputs_kept ON outputs (batch_id, kept) WHERE kept IS NOT NULL;
CREATE INDEX outputs_quarantined ON outputs (batch_id) WHERE quarantined = 1;
CREATE INDEX outputs_failed ON outputs (batch_id) WHERE verdict = 'failed';
