-- A catalogue in which something of everything has happened; see tests/catalog/test_everything.py. Times are seconds
-- after 1970 began. It has been written by hand, so counters say what they should, whatever counts them.

INSERT INTO batches (id, ulid, name, file_name, sha256, size_bytes, kind, priority, on_qc_fail, experiment, job_count,
    paused, created_at, started_at, ended_at, finished_at, reported_at, changed_at, archived_at,
    n_queued, n_running, n_succeeded, n_failed, n_cancelled, n_flagged, extends, rest_of, labels, kept_as, modified_ns,
    deliver, delivered_at)
VALUES
(1, '01CAVES', 'caves', 'caves.csv', 'aa', 100, 'list', 0, 'retry', NULL, 5,
    0, 1000, 1010, 1100, 1100, 1200, 1150, NULL,
    0, 0, 3, 1, 1, 1, NULL, NULL, '["scene"]', '2026-11/caves.csv', 7000,
    '{"profile":"game","to":null,"zipped":true}', 1300),
(2, '01WAVES', 'waves', 'waves.yaml', 'bb', 200, 'experiment', 1, 'keep', '{"n":4,"factors":{"sea":["calm","wild"]}}', 6,
    0, 2000, 2010, 2100, NULL, NULL, NULL, NULL,
    3, 2, 1, 0, 0, 0, NULL, NULL, '[]', '2026-11/waves.yaml', NULL,
    NULL, NULL),
(3, '01MORE', 'waves-more', 'waves.yaml', 'bc', 201, 'experiment', 0, 'keep', '{"n":6}', 2,
    1, 3000, 3010, 3070, NULL, NULL, NULL, NULL,
    1, 0, 1, 0, 0, 0, 2, NULL, '[]', '2026-12/waves.yaml', NULL,
    '{"profile":"game"}', NULL),
(4, '01REST', 'rest', 'caves.csv', 'aa', 101, 'list', 0, 'keep', NULL, 2,
    0, 4000, 4000, 4000, 4000, 4100, 4200, 4300,
    0, 0, 2, 0, 0, 0, NULL, 1, '["scene"]', '2026-11/caves.csv', 7001,
    NULL, NULL),
(5, '01EMPTY', 'empty', 'empty.csv', 'ee', 1, 'list', 0, 'keep', NULL, 0,
    0, 5000, NULL, NULL, 5000, 5000, NULL, NULL,
    0, 0, 0, 0, 0, 0, NULL, NULL, '[]', NULL, NULL,
    NULL, NULL),
(6, '01LATER', 'later', 'later.csv', 'ff', 60, 'template', 3, 'quarantine', NULL, 2,
    0, 6000, NULL, NULL, NULL, NULL, NULL, NULL,
    2, 0, 0, 0, 0, 0, NULL, NULL, '[]', NULL, NULL,
    NULL, NULL),
(7, '01LAST', 'waves-last', 'last.yaml', 'bd', 70, 'experiment', 0, 'retry', NULL, 1,
    0, 7000, 7000.5, 7010, 7010, NULL, NULL, NULL,
    0, 0, 1, 0, 0, 1, 3, NULL, '[]', NULL, NULL,
    '{"profile":"film","to":"final","zipped":false}', NULL),
(8, '01FLOP', 'flop', 'flop.csv', '99', 10, 'list', 0, 'keep', NULL, 1,
    0, 8000, 8000, 8010, 8010, 8020, 8020, NULL,
    0, 0, 0, 1, 0, 0, NULL, NULL, '[]', NULL, NULL,
    NULL, NULL);

INSERT INTO jobs (id, batch_id, position, name, prompt, model, duration, temperature, top_k, top_p, cfg_coef, seed,
    priority, format, labels, condition, replicate, status, held, not_before, attempt, strikes, qc_retries, suspect,
    error_kind, error, steps_done, steps_due, queued_at, started_at, finished_at, quality, keep_best, final_attempt)
VALUES
(1, 1, 1, 'drip-1', 'water drips', 'tiny', 4, 1, 250, 0, 3, 11,
    0, 'wav', '{"scene":"cave"}', '{}', 1, 'succeeded', 0, NULL, 1, 1, 0, 0,
    NULL, NULL, 200, 200, 1000, 1010, 1050, 'sound_effects', 1, 1),
(2, 1, 1, 'drip-2', 'water drips', 'tiny', 4, 1, 250, 0, 3, 12,
    0, 'wav', '{"scene":"cave"}', '{}', 2, 'succeeded', 0, NULL, 2, 1, 1, 0,
    NULL, NULL, 200, 200, 1000, 1060, 1080, NULL, 1, 2),
(3, 1, 2, 'roar', 'a bear roars', 'facebook/musicgen-small', 2.5, 0.9, 100, 0.5, 4, 13,
    2, 'flac', '{"scene":"den"}', '{}', 1, 'failed', 0, NULL, 3, 2, 0, 1,
    'engine_died', 'it broke', 0, 0, 1000, 1070, 1090, NULL, NULL, NULL),
(4, 1, 3, 'echo', 'an echo', 'tiny', 4, 1, 250, 0, 3, 14,
    0, 'wav', '{}', '{}', 1, 'cancelled', 0, NULL, 2, 1, 0, 0,
    NULL, NULL, 10, 200, 1001, 1020, 1100, NULL, NULL, NULL),
(5, 1, 4, 'gust', 'wind', 'tiny', 4, 1, 250, 0, 3, 15,
    0, 'flac', '{"scene":"hill"}', '{}', 1, 'succeeded', 0, NULL, 1, 1, 0, 0,
    NULL, NULL, 200, 200, 1000, 1010, 1040, 'custom', 1, 1),
(6, 2, 1, 'foam-1', 'foam', 'tiny', 8, 1, 250, 0, 3, 21,
    1, 'wav', '{}', '{"sea":"calm"}', 1, 'running', 0, NULL, 2, 1, 0, 0,
    NULL, NULL, 40, 120, 2000, 2050, NULL, NULL, NULL, NULL),
(7, 2, 2, 'foam-2', 'foam', 'tiny', 8, 1, 250, 0, 3, 21,
    1, 'wav', '{}', '{"sea":"wild"}', 1, 'queued', 0, 9500, 1, 1, 0, 0,
    'io', 'no space', 0, 0, 2000, 2040, NULL, NULL, NULL, NULL),
(8, 2, 3, 'spray', 'spray', 'facebook/musicgen-small', 8, 1, 250, 0, 3, 22,
    5, 'wav', '{}', '{"sea":"calm"}', 2, 'queued', 0, NULL, 0, 0, 0, 0,
    NULL, NULL, 0, 0, 2001, NULL, NULL, 'music', NULL, NULL),
(9, 2, 4, 'tide', 'the tide', 'tiny', 8, 1, 250, 0, 3, 22,
    1, 'wav', '{}', '{"sea":"wild"}', 2, 'succeeded', 0, NULL, 1, 1, 0, 0,
    NULL, NULL, 400, 400, 2000, 2010, 2100, NULL, NULL, 1),
(10, 2, 5, 'surf', 'surf', 'tiny', 8, 1, 250, 0, 3, 23,
    1, 'wav', '{}', '{}', 1, 'running', 0, NULL, 2, 1, 0, 1,
    NULL, NULL, 1, 1, 2000, 2060, NULL, NULL, NULL, NULL),
(11, 2, 6, 'storm', 'storm', 'tiny', 8, 1, 250, 0, 3, 24,
    1, 'wav', '{}', '{}', 1, 'queued', 0, NULL, 1, 0, 0, 1,
    'engine_died', 'killed', 0, 0, 2000, 2030, NULL, NULL, NULL, NULL),
(12, 3, 1, 'swell-1', 'swell', 'tiny', 8, 1, 250, 0, 3, 31,
    0, 'ogg', '{}', '{"sea":"calm"}', 3, 'queued', 1, NULL, 0, 0, 0, 0,
    NULL, NULL, 0, 0, 3000, NULL, NULL, NULL, NULL, NULL),
(13, 3, 2, 'swell-2', 'swell', 'tiny', 8, 1, 250, 0, 3, 32,
    0, 'ogg', '{}', '{"sea":"calm"}', 4, 'succeeded', 0, NULL, 1, 1, 0, 0,
    NULL, NULL, 400, 400, 3000, 3010, 3070, NULL, NULL, 1),
(14, 4, 1, 'bell-1', 'a bell', 'tiny', 2, 1, 250, 0, 3, 41,
    0, 'wav', '{"scene":"cave"}', '{}', 1, 'succeeded', 0, NULL, 1, 1, 0, 0,
    NULL, NULL, 100, 100, 4000, 4000, 4000, NULL, 1, 1),
(15, 4, 1, 'bell-2', 'a bell', 'facebook/musicgen-small', 2, 1, 250, 0, 3, 42,
    0, 'wav', '{"scene":"cave"}', '{}', 2, 'succeeded', 0, NULL, 1, 1, 0, 0,
    NULL, NULL, 100, 100, 4000, 4000, 4000, NULL, 1, 1),
(16, 6, 1, 'march', 'a march', 'facebook/musicgen-small', 30, 1, 250, 0, 3, 61,
    3, 'mp3', '{}', '{}', 1, 'queued', 0, NULL, 0, 0, 0, 0,
    NULL, NULL, 0, 0, 6000, NULL, NULL, NULL, NULL, NULL),
(17, 6, 2, 'waltz', 'a waltz', 'facebook/musicgen-small', 30, 1, 250, 0, 3, 62,
    3, 'mp3', '{}', '{}', 1, 'queued', 0, NULL, 0, 0, 0, 0,
    NULL, NULL, 0, 0, 6000, NULL, NULL, NULL, NULL, NULL),
(18, 7, 1, 'ebb', 'ebb', 'tiny', 8, 1, 250, 0, 3, 71,
    0, 'wav', '{}', '{"sea":"low"}', 1, 'succeeded', 0, NULL, 2, 1, 1, 0,
    NULL, NULL, 400, 400, 7000, 7005, 7010, NULL, NULL, 1),
(19, 8, 1, 'thud', 'thud', 'nowhere/model', 8, 1, 250, 0, 3, 81,
    0, 'wav', '{}', '{}', 1, 'failed', 0, NULL, 1, 1, 0, 0,
    'unknown_model', 'no such model', 0, 0, 8000, 8000, 8010, NULL, NULL, NULL);
UPDATE jobs SET melody = '/home/mill/outputs/caves/drip-1.wav' WHERE id = 16;
UPDATE jobs SET continue_from = 'waves/tide.wav', loop = 1, bpm = 120, bars = 8 WHERE id = 17;
UPDATE jobs SET melody = 'caves/gust.flac' WHERE id = 18;
INSERT INTO jobs_fts (rowid, prompt, labels) SELECT id, prompt, labels FROM jobs;

INSERT INTO job_labels (name, value, job_id) VALUES
('scene', 'cave', 1), ('scene', 'cave', 2), ('scene', 'den', 3), ('scene', 'hill', 5), ('sea', 'calm', 6),
('sea', 'wild', 7), ('sea', 'calm', 8), ('sea', 'wild', 9), ('sea', 'calm', 12), ('sea', 'calm', 13),
('scene', 'cave', 14), ('scene', 'cave', 15), ('sea', 'low', 18);
INSERT INTO label_totals (name, value, jobs) VALUES
('scene', 'cave', 4), ('scene', 'den', 1), ('scene', 'hill', 1), ('sea', 'calm', 4), ('sea', 'low', 1), ('sea', 'wild', 2);

INSERT INTO attempts (id, job_id, number, worker, device, model, seed, status, error_kind, error, started_at, finished_at)
VALUES
(1, 1, 1, 'w0', 'cuda:0', 'tiny', 11, 'succeeded', NULL, NULL, 1010, 1050),
(2, 2, 1, 'w0', 'cuda:0', 'tiny', 12, 'succeeded', NULL, NULL, 1010, 1055),
(3, 5, 1, 'w0', 'cuda:0', 'tiny', 15, 'succeeded', NULL, NULL, 1010, 1040),
(4, 3, 1, 'w0', 'cuda:0', 'facebook/musicgen-small', 13, 'interrupted', NULL, 'the daemon ended while this attempt ran', 1012, 1019),
(5, 4, 1, 'w0', 'cuda:0', 'tiny', 14, 'cancelled', NULL, NULL, 1012, 1018),
(6, 4, 2, 'w0', 'cuda:0', 'tiny', 14, 'cancelled', NULL, NULL, 1020, 1100),
(7, 3, 2, 'w0', 'cuda:0', 'facebook/musicgen-small', 13, 'failed', 'timed_out', 'too long', 1030, 1065),
(8, 2, 2, 'w0', 'cuda:0', 'tiny', 912, 'succeeded', NULL, NULL, 1060, 1080),
(9, 3, 3, 'w0', 'cuda:0', 'facebook/musicgen-small', 13, 'failed', 'engine_died', 'it broke', 1070, 1090),
(10, 9, 1, 'w0', 'cuda:0', 'tiny', 22, 'succeeded', NULL, NULL, 2010, 2100),
(11, 10, 1, 'w0', 'cuda:0', 'tiny', 23, 'interrupted', NULL, NULL, 2010, 2020),
(12, 11, 1, 'w0', 'cuda:0', 'tiny', 24, 'failed', 'engine_died', 'killed', 2030, 2035),
(13, 6, 1, 'w0', 'cuda:0', 'tiny', 21, 'failed', 'out_of_memory', 'no memory', 2010, 2045),
(14, 7, 1, 'w0', 'cuda:0', 'tiny', 21, 'failed', 'io', 'no space', 2040, 2045),
(15, 6, 2, 'w0', 'cuda:0', 'tiny', 21, 'running', NULL, NULL, 2050, NULL),
(16, 10, 2, 'ws1/cuda:0', 'cuda:0', 'tiny', 23, 'running', NULL, NULL, 2060, NULL),
(17, 13, 1, 'w0', 'cuda:0', 'tiny', 32, 'succeeded', NULL, NULL, 3010, 3070),
(18, 14, 1, 'w0', 'cuda:0', 'tiny', 41, 'succeeded', NULL, NULL, 4000, 4000),
(19, 15, 1, 'w0', 'cuda:0', 'facebook/musicgen-small', 42, 'succeeded', NULL, NULL, 4000, 4000),
(20, 18, 1, 'w0', 'cuda:0', 'tiny', 71, 'succeeded', NULL, NULL, 7000.5, 7004),
(21, 18, 2, 'w0', 'cuda:0', 'tiny', 971, 'succeeded', NULL, NULL, 7005, 7010),
(22, 19, 1, 'w0', 'cuda:0', 'nowhere/model', 81, 'failed', 'unknown_model', 'no such model', 8000, 8010);

INSERT INTO outputs (id, job_id, batch_id, attempt, path, format, sample_rate, channels, duration_s, size_bytes, sha256,
    generation_s, normalization, normalization_target, licence, versions, defects, verdict, score, ruleset, quarantined,
    created_at, kept, device_s, row_steps, fade_s, pruned_at)
VALUES
(1, 1, 1, 1, 'caves/drip-1.wav', 'wav', 32000, 1, 4, 256044, 'd1',
    40, 'loudness', -16, 'CC-BY-NC-4.0', '{"torch":"2.11"}', '[]', 'passed', 91.25, 'r2', 0,
    1050, 1, 2, 200, 0.01, NULL),
(2, 2, 1, 1, 'caves/quarantine/drip-2.take1.wav', 'wav', 32000, 1, 4, 256045, 'd2',
    45, 'loudness', -16, 'CC-BY-NC-4.0', '{}', '[{"kind":"silence","start_s":0.5}]', 'failed', 20, 'r1', 1,
    1055, NULL, 3, 200, NULL, NULL),
(3, 2, 1, 2, 'caves/set_aside/drip-2.wav', 'wav', 32000, 1, 4, 256046, 'd3',
    20, 'loudness', -16, 'CC-BY-NC-4.0', '{}', '[]', 'passed', 80.5, 'r2', 0,
    1080, 0, 1, 200, NULL, NULL),
(4, 5, 1, 1, 'caves/quarantine/gust.take1.flac', 'flac', 44100, 2, 0, 300, 'd4',
    30, 'peak', -1, 'MIT', '{}', '[]', 'failed', 48, 'r2', 1,
    1040, 0, 1, 200, NULL, NULL),
(5, 9, 2, 1, 'waves/tide.wav', 'wav', 32000, 1, 4000000.0625, 512044, 'd5',
    90, 'none', 0, 'MIT', '{}', '[]', 'passed', NULL, 'r1', 0,
    2100, NULL, NULL, NULL, NULL, 2500),
(6, 13, 3, 1, 'waves-more/swell-2.ogg', 'ogg', 32000, 1, 8, 51200, 'd6',
    60, 'rms', -20, 'MIT', '{}', '[]', 'passed', 70, 'r3', 0,
    3070, NULL, 4, 400, 0, NULL),
(7, 14, 4, 1, 'rest/bell-1.wav', 'wav', 32000, 1, 2, 128044, 'd7',
    1, 'loudness', -16, 'MIT', '{}', '[]', 'passed', 60.25, 'r2', 0,
    4000, NULL, 0.5, 100, NULL, NULL),
(8, 15, 4, 1, 'rest/bell-2.wav', 'wav', 32000, 1, 0.5, 32044, 'd8',
    1, 'loudness', -16, 'MIT', '{}', '[]', 'passed', 60.75, 'r2', 0,
    4000, NULL, 0.12345678, 100, NULL, NULL),
(9, 18, 7, 1, 'waves-last/ebb.wav', 'wav', 32000, 1, 8, 512044, 'd9',
    3.5, 'loudness', -16, 'MIT', '{}', '[]', 'failed', 40, 'r2', 0,
    7004, NULL, 3, 400, NULL, NULL),
(10, 18, 7, 2, 'waves-last/quarantine/ebb.take2.wav', 'wav', 32000, 1, 8, 512044, 'da',
    5, 'loudness', -16, 'MIT', '{}', '[]', 'failed', 30, 'r2', 1,
    7010, NULL, 3, 400, NULL, 7100);

INSERT INTO measurements (output_id, silence_share, clipping_share, repetition_correlation, spectral_range_db,
    spectral_tilt_db_per_octave, loudness_lufs, peak_dbfs, peak_before_dbfs, rms_dbfs, dc_offset, true_peak_dbtp,
    loudness_range_lu, silence_tail_s, dropout_s, loop_share, stuck_tone_s, noise_s, clicks, tempo_bpm, tempo_certainty,
    key_number, key_certainty, tempo_difference, key_difference, loop_seam, token_log_probability,
    token_log_probability_unprompted, token_entropy, token_entropy_unprompted, brightness_hz, attacks_per_s,
    prompt_agreement)
VALUES
(1, 0.01, 0.02, 0.03, 4.5, -5.5, -18.4567, -1.5, -2.5, -21, 0.001, -1.25, 6.5, 0.5, 0.75, 0.125, 0.25, 0.375, 2, 119.96, 0.876,
    1, 0.654, 0.04, 1, 0.0625, -3.25, -3.75, 2.5, 2.75, 1234.5, 1.75, 0.875),
(2, 0.6, NULL, NULL, NULL, NULL, -15.5, -3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    6, NULL, NULL, NULL, NULL, -3, NULL, NULL, NULL, NULL, NULL, NULL),
(3, 0.1, NULL, NULL, NULL, NULL, -16, -1, -4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    11, NULL, NULL, NULL, NULL, -4, -3.5, NULL, NULL, NULL, NULL, 0.5),
(4, 0.2, NULL, NULL, NULL, NULL, -30, -1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(6, 0.3, NULL, NULL, NULL, NULL, -14, -1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(7, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0.25),
(8, 0, NULL, NULL, NULL, NULL, -16, -1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, -2, -2.5, NULL, NULL, NULL, NULL, 0.25),
(9, 0.9, NULL, NULL, NULL, NULL, -16, -1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(10, 0.95, NULL, NULL, NULL, NULL, -16, -1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO checks (output_id, name, passed, value, threshold, unit, message) VALUES
(1, 'clipping', 1, 0, 0.01, 'share', 'no clipping'), (1, 'silence', 1, 0.01, 0.3, 'share', '1% is silent'),
(2, 'clicks', 0, 9, 3, 'clicks', '9 clicks'), (2, 'clipping', 1, 0, 0.01, 'share', 'no clipping'),
(2, 'silence', 0, 0.6, 0.3, 'share', '60% is silent'), (3, 'silence', 1, 0.1, 0.3, 'share', '10% is silent'),
(4, 'noise', 0, NULL, NULL, 's', 'noise'), (10, 'silence', 0, 0.95, 0.3, 'share', '95% is silent');

INSERT INTO scores (output_id, scorer, score, scored_at) VALUES
(1, 'soundmill', 91.25, 1051), (2, 'soundmill', 20, 1056), (3, 'soundmill', 80.5, 1081), (4, 'soundmill', 48, 1041),
(5, 'soundmill', NULL, 2101), (6, 'soundmill', 70, 3071), (7, 'soundmill', 60.25, 4001), (8, 'soundmill', 60.75, 4001),
(9, 'soundmill', 40, 7005), (10, 'soundmill', 30, 7011),
(1, 'audiobox', 7.5, 1500), (1, 'clap', 0.25, 1501), (3, 'clap', 0.5, 1501), (6, 'clap', NULL, 3100),
(7, 'clap', 0.125, 4050), (8, 'clap', 0.375, 4050);

INSERT INTO ratings (output_id, who, stars, rejected, note, rated_at) VALUES
(1, 'ann', 5, 0, 'warm', 1110), (1, 'bob', 4, 0, NULL, 1120), (1, 'cid', 4, 0, 'wet', 1130),
(3, 'bob', NULL, 1, 'hiss', 1140), (4, 'bob', NULL, 1, NULL, 1141), (6, 'owner', 2, 1, NULL, 3100), (7, 'ann', 3, 0, NULL, 4090);
INSERT INTO shortlists (id, name, note, created_by, created_at, archived_at) VALUES
(1, 'picks', NULL, 'owner', 1111, NULL), (2, 'Trailer', 'for May', 'ann', 1112, NULL), (3, 'old', NULL, 'bob', 1113, 1119);
INSERT INTO picks (shortlist_id, output_id, who, note, picked_at) VALUES
(1, 1, 'owner', NULL, 1111), (2, 1, 'ann', 'opens it', 1112), (2, 3, 'bob', NULL, 1113), (3, 6, 'bob', NULL, 3080),
(3, 1, 'bob', NULL, 1114), (2, 8, 'ann', NULL, 4080);
INSERT INTO comparisons (id, ulid, who, at, first_output_id, second_output_id, answer, blind, attention, study, expected)
VALUES
(1, '01C1', 'ann', 1400, 1, 3, 'first', 1, 0, NULL, NULL), (2, '01C2', 'bob', 1400, 3, 1, 'tie', 0, 0, NULL, NULL),
(3, '01C3', 'ann', 1401, 1, 3, 'tie', 1, 0, 'study', NULL), (4, '01C4', 'ann', 1402, 1, 1, 'tie', 1, 1, 'study', 'tie'),
(5, '01C5', 'bob', 1403, 7, 9, 'second', 1, 0, 'study', NULL), (6, '01C6', 'cid', 1404, 9, 9, 'second', 1, 1, 'study', 'tie');

INSERT INTO workers (name, device, model, status, slots, running, started_at, seen_at, restarts, error) VALUES
('w0', 'cuda:0', 'tiny', 'working', 4, 1, 900, 8990, 2, NULL), ('w9', 'cuda:9', NULL, 'dead', 0, 0, 901, 8000, 5, 'it broke'),
('w8', 'cuda:8', 'tiny', 'loading', 4, 0, 901, 8989, 0, NULL),
('ws1/cuda:0', 'cuda:0', 'tiny', 'working', 2, 1, 902, 8991, 0, NULL),
('ws1/cuda:1', 'cuda:1', NULL, 'stopped', 2, 3, 903, 903, 0, NULL), ('ws1/cuda:2', 'cuda:2', NULL, 'stopped', 2, 0, 903, 903, 0, NULL), ('ws12/cuda:0', 'cuda:0', NULL, 'idle', 2, 2, 904, 8992, 0, NULL);
INSERT INTO events (id, at, kind, message, worker, batch_id, job_id) VALUES
(1, 1000, 'batch accepted', 'caves: 5 jobs from caves.csv', NULL, 1, NULL), (2, 1090, 'job failed', 'caves/roar: it broke', 'w0', 1, 3),
(3, 8000, 'worker replaced', 'w9 ended', 'w9', NULL, NULL);
INSERT INTO rejections (ulid, file_name, sha256, problem_count, problems, rejected_at) VALUES
('01R1', 'bad.csv', 'r1', 4, '[{"place":null,"line":3,"field":"duration","value":"x","message":"no number"},
 {"place":"row","line":4,"field":"seed","value":null,"message":"is missing"},
 {"place":null,"line":null,"field":null,"value":null,"message":"is empty"},
 {"place":null,"line":5,"field":null,"value":"y","message":"is odd"}]', 1600),
('01R2', 'bad.csv', NULL, 0, '[]', 1700), ('01R3', 'worse.csv', 'r3', 0, '[]', 1700);
INSERT INTO answers (id, ulid, action, target, who, asked_at, answered_at, state, reason) VALUES
(1, '01A1', 'rate', 'caves/drip-1', 'ann', 1109, 1110, 'done', NULL),
(2, '01A2', 'cancel', 'nothing', 'owner', 1115, 1116.5, 'refused', 'no such batch or job');
INSERT INTO asked_deliveries (id, ulid, of_what, target, named, takes, profile, zipped, rights, who, asked_at, state, folder,
    zip_file, said, ended_at)
VALUES
(1, '01D1', 'batch', 'caves', '01CAVES', 5, 'game', 1, 0, 'ann', 1300, 'made', 'caves-game', 'caves-game.zip', '3 files', 1310),
(2, '01D2', 'shortlist', 'Trailer', 'Trailer', 3, 'film', 0, 1, 'bob', 1301, 'failed', NULL, NULL, 'no such profile', 1311),
(3, '01D3', 'batch', 'rest', '01REST', 2, 'game', 0, 0, 'ann', 1302, 'waiting', NULL, NULL, NULL, NULL),
(4, '01D4', 'shortlist', 'picks', 'picks', 1, 'film', 1, 1, 'bob', 1303, 'making', NULL, NULL, NULL, NULL);
INSERT INTO peaks (output_id, data) VALUES (1, x'01'), (3, x'03'), (7, x'07');
INSERT INTO fingerprints (output_id, data) VALUES (1, x'11'), (6, x'16');

DELETE FROM selections_due;
INSERT INTO settings (key, value) VALUES
('rank_by', 'clap'), ('scorer clap', '{"model": "clap-a", "oldest": 1, "newest": 8}'),
('inbox notices', '[{"kind":"held","file":"x (1).csv","message":"looks like a copy"},{"kind":"odd","file":"y","message":"no job file"}]'),
('troubles', '[{"part":"inbox","message":"cannot be read","since":8000},{"part":"outputs","message":"full","since":8500.5}]'),
('machines', '[{"name":"ws1","address":"10.0.0.1","state":"working","gpus":2,"cpus":8,"why":null},
 {"name":"ws2","address":"10.0.0.2","state":"lost","gpus":0,"cpus":4,"why":"no answer"}]'),
('heartbeat', '{"pid":77,"at":8999.5,"steady_s":123.5,"state":"running"}'),
('storage', '{"at":8900,"places":[{"place":"outputs","free_bytes":40,"size_bytes":90,"per_day_bytes":8,"days_left":5},{"place":"home","free_bytes":1,"size_bytes":2}]}'),
('alerts webhook', '{"sent":3,"failed":1,"outbox":[1,2]}'), ('alerts command', '');
