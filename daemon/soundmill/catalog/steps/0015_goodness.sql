-- What goodness may be read from: the decoder's own surprise, in nats a token; what a prompt's words ask for; and how
-- far what was asked for is heard, 0 to 1. Takes from before have none.
ALTER TABLE measurements ADD COLUMN token_log_probability REAL;
ALTER TABLE measurements ADD COLUMN token_log_probability_unprompted REAL;
ALTER TABLE measurements ADD COLUMN token_entropy REAL;
ALTER TABLE measurements ADD COLUMN token_entropy_unprompted REAL;
ALTER TABLE measurements ADD COLUMN brightness_hz REAL;
ALTER TABLE measurements ADD COLUMN attacks_per_s REAL;
ALTER TABLE measurements ADD COLUMN prompt_agreement REAL;
-- In whole points: the decimals of a score tell no take from another.
DROP INDEX outputs_best;
CREATE INDEX outputs_best ON outputs (batch_id, coalesce(round(score), -1));
