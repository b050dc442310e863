ALTER TABLE outputs ADD COLUMN device_s REAL;  -- NULL, as row_steps: made before it was recorded
ALTER TABLE outputs ADD COLUMN row_steps INTEGER;
ALTER TABLE model_totals ADD COLUMN device_s REAL NOT NULL DEFAULT 0;
ALTER TABLE model_totals ADD COLUMN device_audio_s REAL NOT NULL DEFAULT 0;  -- of the outputs that have a device_s
DROP TRIGGER outputs_count;
CREATE TRIGGER outputs_count AFTER INSERT ON outputs BEGIN
    UPDATE batches SET n_outputs = n_outputs + 1, audio_s = audio_s + new.duration_s WHERE id = new.batch_id;
    INSERT INTO model_totals (model, outputs, audio_s, generation_s, device_s, device_audio_s)
        SELECT model, 1, new.duration_s, new.generation_s, coalesce(new.device_s, 0),
            CASE WHEN new.device_s IS NULL THEN 0 ELSE new.duration_s END
        FROM jobs WHERE id = new.job_id
        ON CONFLICT (model) DO UPDATE SET outputs = outputs + 1, audio_s = audio_s + excluded.audio_s,
            generation_s = generation_s + excluded.generation_s, device_s = device_s + excluded.device_s,
            device_audio_s = device_audio_s + excluded.device_audio_s;
END;
