ALTER TABLE jobs ADD COLUMN loop INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN bpm REAL NOT NULL DEFAULT 0;  -- 0: no tempo was asked for
ALTER TABLE jobs ADD COLUMN bars INTEGER NOT NULL DEFAULT 0;  -- that the duration was reckoned from; 0: it was given
ALTER TABLE measurements ADD COLUMN tempo_bpm REAL;
ALTER TABLE measurements ADD COLUMN tempo_certainty REAL;
ALTER TABLE measurements ADD COLUMN key_number REAL;  -- 0 to 11 are C major to B major, 12 to 23 C minor to B minor
ALTER TABLE measurements ADD COLUMN key_certainty REAL;
ALTER TABLE measurements ADD COLUMN asked_bpm REAL;
ALTER TABLE measurements ADD COLUMN asked_key_number REAL;
ALTER TABLE measurements ADD COLUMN tempo_difference REAL;
ALTER TABLE measurements ADD COLUMN key_difference REAL;
ALTER TABLE measurements ADD COLUMN loop_seam REAL;
