-- What people read of the catalogue. The site, the command line and anyone's SQL go through these
-- views; only catalog/ touches the tables. Times are ISO 8601 in UTC. Each view answers from an
-- index when it is filtered by batch or limited to a page; newest first is `ORDER BY output_id DESC`,
-- `job_id DESC` or `event_id DESC`, never by the formatted time, which has no index.

CREATE VIEW overview AS
SELECT count(*) AS batches,
       coalesce(sum(job_count), 0) AS jobs,
       coalesce(sum(n_queued), 0) AS queued,
       coalesce(sum(n_running), 0) AS running,
       coalesce(sum(n_succeeded), 0) AS succeeded,
       coalesce(sum(n_failed), 0) AS failed,
       coalesce(sum(n_cancelled), 0) AS cancelled,
       coalesce(sum(n_flagged), 0) AS flagged,
       coalesce(sum(n_outputs), 0) AS outputs,
       round(coalesce(sum(audio_s), 0) / 3600.0, 4) AS audio_hours,
       (SELECT count(*) FROM workers WHERE status NOT IN ('stopped', 'dead')) AS workers
FROM batches;

CREATE VIEW batch_progress AS
SELECT name AS batch,
       CASE WHEN finished_at IS NOT NULL THEN 'finished'
            WHEN paused THEN 'paused'
            WHEN n_queued < job_count THEN 'running'
            ELSE 'queued' END AS status,
       n_succeeded + n_failed + n_cancelled AS done,
       job_count,
       CASE WHEN job_count = 0 THEN 100.0
            ELSE round(100.0 * (n_succeeded + n_failed + n_cancelled) / job_count, 1) END AS percent,
       n_queued, n_running, n_succeeded, n_failed, n_cancelled,
       n_flagged AS flagged,
       n_outputs AS outputs,
       round(audio_s, 3) AS audio_s,
       kind, priority, on_qc_fail, experiment, json_extract(deliver, '$.profile') AS deliver, labels, file_name, ulid, sha256,
       (SELECT name FROM batches first WHERE first.id = batches.rest_of) AS rest_of,
       strftime('%Y-%m-%dT%H:%M:%SZ', created_at, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', started_at, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', finished_at, 'unixepoch') AS finished_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', delivered_at, 'unixepoch') AS delivered_at,
       CASE WHEN ended_at > started_at AND n_succeeded > 0
            THEN round((n_succeeded + n_failed) * 3600.0 / (ended_at - started_at), 1) END AS jobs_per_hour,
       strftime('%Y-%m-%dT%H:%M:%SZ', archived_at, 'unixepoch') AS archived_at,
       id AS batch_id
FROM batches;

-- Asked several times a second, so from an index.
CREATE VIEW unfinished_batches AS
SELECT name AS batch, id AS batch_id FROM batches WHERE finished_at IS NULL;

CREATE VIEW takes AS
SELECT o.path AS audio, b.name AS batch, j.name AS job, o.job_id AS job_id, j.position AS position,
       j.prompt AS prompt, j.model AS model, j.duration AS duration, j.temperature AS temperature,
       j.top_k AS top_k, j.top_p AS top_p, j.cfg_coef AS cfg_coef, j.loop AS loop, j.bpm AS bpm, j.bars AS bars,
       a.seed AS seed, o.attempt AS attempt,
       o.verdict AS verdict,
       coalesce((SELECT group_concat(name, ', ') FROM checks WHERE output_id = o.id AND NOT passed), '')
           AS failed_checks,
       o.score AS score,  -- soundness
       -- Of several people the mean; whoever rejects a take has a say of his own.
       CAST((SELECT round(avg(stars), 2) FROM ratings WHERE output_id = o.id) AS REAL) AS stars,
       EXISTS (SELECT 1 FROM ratings WHERE output_id = o.id AND rejected) AS rejected,
       (SELECT group_concat(note, char(10)) FROM ratings WHERE output_id = o.id) AS note,
       (SELECT group_concat(s.name, ', ') FROM picks p JOIN shortlists s ON s.id = p.shortlist_id
            WHERE p.output_id = o.id AND s.archived_at IS NULL) AS picks,
       m.loudness_lufs AS loudness_lufs,
       -- How far under the target of normalisation: its peak allowed no more gain.
       CASE WHEN o.normalization = 'loudness'
            THEN round(max(0.0, o.normalization_target - m.loudness_lufs), 2) END AS loudness_short_lu,
       m.peak_dbfs AS peak_dbfs, m.silence_share AS silence_share,
       m.clipping_share AS clipping_share, m.repetition_correlation AS repetition_correlation,
       m.spectral_range_db AS spectral_range_db,
       m.spectral_tilt_db_per_octave AS spectral_tilt_db_per_octave,
       m.rms_dbfs AS rms_dbfs, m.dc_offset AS dc_offset,
       m.true_peak_dbtp AS true_peak_dbtp, m.loudness_range_lu AS loudness_range_lu,
       m.silence_tail_s AS silence_tail_s, m.dropout_s AS dropout_s, m.loop_share AS loop_share,
       m.stuck_tone_s AS stuck_tone_s, m.noise_s AS noise_s, m.clicks AS clicks,
       -- As heard; `bpm` above is what was asked.
       round(m.tempo_bpm, 1) AS tempo_bpm, round(m.tempo_certainty, 2) AS tempo_certainty,
       trim(substr('C C♯D E♭E F F♯G A♭A B♭B ', 1 + 2 * (CAST(m.key_number AS INTEGER) % 12), 2))
            || CASE WHEN m.key_number >= 12 THEN ' minor' ELSE ' major' END AS key,
       m.key_number AS key_number, round(m.key_certainty, 2) AS key_certainty,
       m.tempo_difference AS tempo_difference, m.key_difference AS key_difference, m.loop_seam AS loop_seam,
       o.duration_s AS duration_s, o.generation_s AS generation_s, o.device_s AS device_s,
       o.row_steps AS row_steps,
       CASE WHEN o.duration_s > 0 THEN round(o.device_s / o.duration_s, 4) END AS real_time_factor,
       o.format AS format, o.sample_rate AS sample_rate, o.channels AS channels, o.size_bytes AS size_bytes,
       j.labels AS labels, j.condition AS condition, j.replicate AS replicate,
       o.quarantined AS quarantined,
       (o.attempt IS j.final_attempt) AS is_final,
       o.kept AS kept,
       strftime('%Y-%m-%dT%H:%M:%SZ', o.pruned_at, 'unixepoch') AS pruned_at,
       (SELECT json_group_object(scorer, score) FROM scores WHERE output_id = o.id) AS scores,
       m.token_log_probability AS token_log_probability,
       m.token_log_probability_unprompted AS token_log_probability_unprompted,
       m.token_entropy AS token_entropy, m.token_entropy_unprompted AS token_entropy_unprompted,
       m.brightness_hz AS brightness_hz, m.attacks_per_s AS attacks_per_s,
       m.prompt_agreement AS prompt_agreement,
       o.licence AS licence, o.versions AS versions, o.defects AS defects, o.sha256 AS sha256,
       o.ruleset AS ruleset, a.worker AS worker, a.device AS device,
       strftime('%Y-%m-%dT%H:%M:%SZ', o.created_at, 'unixepoch') AS created_at,
       o.id AS output_id
FROM outputs o
JOIN batches b ON b.id = o.batch_id
JOIN jobs j ON j.id = o.job_id
LEFT JOIN attempts a ON a.job_id = o.job_id AND a.number = o.attempt
LEFT JOIN measurements m ON m.output_id = o.id;

-- How many takes of a batch were kept, set aside and quarantined, of those that count: only these are chosen among.
CREATE VIEW batch_filed AS
SELECT b.name AS batch,
       (SELECT count(*) FROM outputs WHERE batch_id = b.id AND kept = 1) AS kept,
       (SELECT count(*) FROM outputs WHERE batch_id = b.id AND kept = 0) AS set_aside,
       (SELECT count(*) FROM outputs o JOIN jobs j ON j.id = o.job_id AND j.final_attempt = o.attempt
            WHERE o.batch_id = b.id AND o.quarantined = 1) AS quarantined,
       b.id AS batch_id
FROM batches b;

-- How good a take is, by each source that has anything to say of it, the most to be relied on first (`rank`): people
-- who compared it (share of the answers that prefer it, ties as halves), stars, models that score, and what its prompt
-- asks for against what is heard, and how much likelier its tokens are with its prompt than without. No two sources
-- have one scale.
CREATE VIEW goodness_by_source AS
SELECT output_id, 'listeners' AS source, avg(preferred) AS goodness, count(*) AS answers, 1 AS rank
FROM (SELECT first_output_id AS output_id, CASE answer WHEN 'first' THEN 1.0 WHEN 'tie' THEN 0.5 ELSE 0.0 END AS preferred
      FROM comparisons WHERE NOT attention
      UNION ALL
      SELECT second_output_id, CASE answer WHEN 'second' THEN 1.0 WHEN 'tie' THEN 0.5 ELSE 0.0 END
      FROM comparisons WHERE NOT attention)
GROUP BY output_id
UNION ALL SELECT output_id, 'stars', avg(stars), count(stars), 2 FROM ratings WHERE stars IS NOT NULL GROUP BY output_id
UNION ALL SELECT output_id, scorer, score, NULL,
       CASE WHEN scorer = (SELECT value FROM settings WHERE key = 'rank_by') THEN 3 ELSE 4 END
FROM scores WHERE scorer <> 'soundmill' AND score IS NOT NULL
UNION ALL SELECT output_id, 'prompt', prompt_agreement, NULL, 5 FROM measurements WHERE prompt_agreement IS NOT NULL
UNION ALL SELECT output_id, 'gain', token_log_probability - token_log_probability_unprompted, NULL, 6
FROM measurements WHERE token_log_probability_unprompted IS NOT NULL;

CREATE VIEW ratings_list AS
SELECT o.path AS audio, b.name AS batch, j.name AS job, o.job_id AS job_id, r.who AS who, r.stars AS stars,
       r.rejected AS rejected, r.note AS note, strftime('%Y-%m-%dT%H:%M:%SZ', r.rated_at, 'unixepoch') AS rated_at,
       r.output_id AS output_id
FROM ratings r
JOIN outputs o ON o.id = r.output_id
JOIN batches b ON b.id = o.batch_id
JOIN jobs j ON j.id = o.job_id;

CREATE VIEW shortlist_overview AS
SELECT s.name AS shortlist, (SELECT count(*) FROM picks WHERE shortlist_id = s.id) AS picks, s.note AS note,
       s.created_by AS created_by, strftime('%Y-%m-%dT%H:%M:%SZ', s.created_at, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', s.archived_at, 'unixepoch') AS archived_at, s.id AS shortlist_id
FROM shortlists s;

CREATE VIEW picks_list AS
SELECT s.name AS shortlist, o.path AS audio, b.name AS batch, j.name AS job, o.job_id AS job_id,
       j.position AS position, j.prompt AS prompt, o.duration_s AS duration_s, o.verdict AS verdict, o.score AS score,
       CAST((SELECT round(avg(stars), 2) FROM ratings WHERE output_id = o.id) AS REAL) AS stars,
       EXISTS (SELECT 1 FROM ratings WHERE output_id = o.id AND rejected) AS rejected,
       j.labels AS labels, o.licence AS licence, p.who AS who, p.note AS note,
       strftime('%Y-%m-%dT%H:%M:%SZ', p.picked_at, 'unixepoch') AS picked_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', s.archived_at, 'unixepoch') AS archived_at,
       p.output_id AS output_id, p.shortlist_id AS shortlist_id
FROM picks p
JOIN shortlists s ON s.id = p.shortlist_id
JOIN outputs o ON o.id = p.output_id
JOIN batches b ON b.id = o.batch_id
JOIN jobs j ON j.id = o.job_id;

-- What a job file asked for, row by row: `name` is that of the row's first job.
CREATE VIEW file_rows AS
SELECT b.name AS batch, j.position AS position, j.name AS name, j.prompt AS prompt, j.labels AS labels,
       (SELECT count(*) FROM jobs k JOIN outputs o ON o.job_id = k.id
            WHERE k.batch_id = j.batch_id AND k.position = j.position) AS takes,
       (SELECT count(DISTINCT o.id) FROM jobs k JOIN outputs o ON o.job_id = k.id
            JOIN picks p ON p.output_id = o.id JOIN shortlists s ON s.id = p.shortlist_id
            WHERE k.batch_id = j.batch_id AND k.position = j.position AND s.archived_at IS NULL) AS picked,
       j.batch_id AS batch_id
FROM jobs j
JOIN batches b ON b.id = j.batch_id
WHERE j.id = (SELECT min(id) FROM jobs WHERE batch_id = j.batch_id AND position = j.position);

-- One take of each row is the usual aim.
CREATE VIEW rows_without_pick AS
SELECT batch, position, name, prompt, labels, takes, picked, batch_id FROM file_rows WHERE picked = 0;

-- "31 of 50 themes have one."
CREATE VIEW batch_picks AS
SELECT b.name AS batch, (SELECT count(DISTINCT position) FROM jobs WHERE batch_id = b.id) AS file_rows,
       (SELECT count(DISTINCT j.position) FROM jobs j JOIN outputs o ON o.job_id = j.id
            JOIN picks p ON p.output_id = o.id JOIN shortlists s ON s.id = p.shortlist_id
            WHERE j.batch_id = b.id AND s.archived_at IS NULL) AS picked,
       b.id AS batch_id
FROM batches b;

CREATE VIEW comparisons_list AS
SELECT c.who AS who, f.path AS first_audio, s.path AS second_audio, c.answer AS answer,
       CASE c.answer WHEN 'first' THEN f.path WHEN 'second' THEN s.path END AS preferred,
       c.blind AS blind, c.attention AS attention, c.expected AS expected, c.study AS study,
       strftime('%Y-%m-%dT%H:%M:%SZ', c.at, 'unixepoch') AS at,
       c.first_output_id AS first_output_id, c.second_output_id AS second_output_id, c.ulid AS ulid,
       c.id AS comparison_id
FROM comparisons c
JOIN outputs f ON f.id = c.first_output_id
JOIN outputs s ON s.id = c.second_output_id;

CREATE VIEW wish_answers AS
SELECT action, target, who, state, reason,
       strftime('%Y-%m-%dT%H:%M:%SZ', asked_at, 'unixepoch') AS asked_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', answered_at, 'unixepoch') AS answered_at,
       answered_at AS answered_unix, ulid, id AS answer_id
FROM answers;

-- What people asked on the site to have delivered; folders are below the home's deliveries.
CREATE VIEW deliveries AS
SELECT target, of_what, profile, state, said, folder, zip_file, who,
       strftime('%Y-%m-%dT%H:%M:%SZ', asked_at, 'unixepoch') AS asked_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', ended_at, 'unixepoch') AS ended_at, ulid
FROM asked_deliveries;

-- What players draw of a take at once, as audio/peaks.py packs it.
CREATE VIEW take_peaks AS SELECT output_id, data FROM peaks;

-- By which a take is known again, as audio/fingerprint/ packs it.
CREATE VIEW take_fingerprints AS SELECT output_id, data FROM fingerprints;

-- The takes that retention never lets go: whatever else a person can do to a take is another SELECT here.
CREATE VIEW takes_a_person_touched AS
SELECT output_id FROM ratings
UNION ALL SELECT output_id FROM picks
UNION ALL SELECT first_output_id FROM comparisons
UNION ALL SELECT second_output_id FROM comparisons;

CREATE VIEW job_list AS
SELECT b.name AS batch, j.position AS position, j.name AS job, j.id AS job_id, j.status AS status,
       j.prompt AS prompt, j.model AS model, j.duration AS duration, j.temperature AS temperature,
       j.top_k AS top_k, j.top_p AS top_p, j.cfg_coef AS cfg_coef, j.loop AS loop, j.bpm AS bpm, j.bars AS bars,
       j.seed AS seed, j.format AS format,
       j.priority AS priority, j.attempt AS attempts, j.error_kind AS error_kind, j.error AS error,
       o.path AS audio, o.verdict AS verdict, o.score AS score, o.kept AS kept, j.keep_best AS keep_best,
       j.labels AS labels, j.condition AS condition, j.replicate AS replicate,
       j.held AS held, j.steps_done AS steps_done, j.steps_due AS steps_due,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.not_before, 'unixepoch') AS not_before,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.queued_at, 'unixepoch') AS queued_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.started_at, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.finished_at, 'unixepoch') AS finished_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', o.pruned_at, 'unixepoch') AS pruned_at
FROM jobs j
JOIN batches b ON b.id = j.batch_id
LEFT JOIN outputs o ON o.job_id = j.id AND o.attempt = j.final_attempt;

CREATE VIEW running_jobs AS
SELECT b.name AS batch, j.name AS job, j.id AS job_id, j.prompt AS prompt, j.model AS model,
       a.worker AS worker, a.number AS attempt, j.steps_done AS steps_done, j.steps_due AS steps_due,
       CASE WHEN j.steps_due > 0 THEN round(100.0 * j.steps_done / j.steps_due, 1) ELSE 0.0 END AS percent,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.started_at, 'unixepoch') AS started_at
FROM attempts a
JOIN jobs j ON j.id = a.job_id
JOIN batches b ON b.id = j.batch_id
WHERE a.status = 'running';

CREATE VIEW failures AS
SELECT b.name AS batch, j.name AS job, j.id AS job_id, j.error_kind AS error_kind, j.error AS error,
       j.attempt AS attempts, j.prompt AS prompt, j.model AS model,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.finished_at, 'unixepoch') AS finished_at
FROM jobs j
JOIN batches b ON b.id = j.batch_id
WHERE j.status = 'failed';

CREATE VIEW failed_checks AS
SELECT b.name AS batch, j.name AS job, o.job_id AS job_id, o.path AS audio, c.name AS check_name,
       c.value AS value, c.threshold AS threshold, c.unit AS unit, c.message AS message,
       (o.attempt IS j.final_attempt) AS is_final,
       strftime('%Y-%m-%dT%H:%M:%SZ', o.pruned_at, 'unixepoch') AS pruned_at, o.id AS output_id
FROM checks c
JOIN outputs o ON o.id = c.output_id
JOIN batches b ON b.id = o.batch_id
JOIN jobs j ON j.id = o.job_id
WHERE c.passed = 0;

-- One row per take and scorer: soundmill, and those of soundmill.yaml's scoring.scorers.
CREATE VIEW scores_by_scorer AS
SELECT s.scorer AS scorer, s.score AS score, o.path AS audio, b.name AS batch, j.name AS job, o.job_id AS job_id,
       j.prompt AS prompt, o.verdict AS verdict, o.kept AS kept,
       (o.attempt IS j.final_attempt) AS is_final,
       strftime('%Y-%m-%dT%H:%M:%SZ', s.scored_at, 'unixepoch') AS scored_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', o.pruned_at, 'unixepoch') AS pruned_at, s.output_id AS output_id
FROM scores s
JOIN outputs o ON o.id = s.output_id
JOIN batches b ON b.id = o.batch_id
JOIN jobs j ON j.id = o.job_id;

CREATE VIEW queue AS
SELECT j.model AS model, j.priority AS priority, b.name AS batch, j.name AS job, j.id AS job_id,
       j.prompt AS prompt, j.duration AS duration, j.attempt AS attempts,
       CASE WHEN j.held THEN 'paused' WHEN j.not_before IS NOT NULL THEN 'waiting' ELSE 'ready' END AS state,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.not_before, 'unixepoch') AS not_before,
       strftime('%Y-%m-%dT%H:%M:%SZ', j.queued_at, 'unixepoch') AS queued_at
FROM jobs j
JOIN batches b ON b.id = j.batch_id
WHERE j.status = 'queued'
ORDER BY j.model, j.priority DESC, j.id;

CREATE VIEW queue_totals AS
SELECT model, count(*) AS queued FROM jobs WHERE status = 'queued' GROUP BY model;

CREATE VIEW worker_board AS
SELECT name AS worker, device, model, status, slots, running, restarts, error,
       strftime('%Y-%m-%dT%H:%M:%SZ', started_at, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', seen_at, 'unixepoch') AS seen_at
FROM workers;

CREATE VIEW event_log AS
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', e.at, 'unixepoch') AS at, e.kind AS kind, e.message AS message,
       e.worker AS worker, b.name AS batch, j.name AS job, e.job_id AS job_id, e.id AS event_id
FROM events e
LEFT JOIN batches b ON b.id = e.batch_id
LEFT JOIN jobs j ON j.id = e.job_id;

CREATE VIEW inbox_notices AS
SELECT json_extract(n.value, '$.kind') AS kind, json_extract(n.value, '$.file') AS file,
       json_extract(n.value, '$.message') AS message
FROM settings s, json_each(s.value) n
WHERE s.key = 'inbox notices';

CREATE VIEW troubles AS
SELECT json_extract(t.value, '$.part') AS part, json_extract(t.value, '$.message') AS message,
       strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(t.value, '$.since'), 'unixepoch') AS began_at
FROM settings s, json_each(s.value) t
WHERE s.key = 'troubles';

-- The machines of the cluster that the daemon sees now.
CREATE VIEW machines AS
SELECT json_extract(n.value, '$.name') AS machine, json_extract(n.value, '$.address') AS address,
       json_extract(n.value, '$.state') AS state, json_extract(n.value, '$.gpus') AS gpus,
       json_extract(n.value, '$.cpus') AS cpus,
       (SELECT count(*) FROM workers w WHERE w.status <> 'stopped'
        AND substr(w.name, 1, length(json_extract(n.value, '$.name')) + 1) = json_extract(n.value, '$.name') || '/')
        AS engines,
       (SELECT coalesce(sum(w.running), 0) FROM workers w WHERE w.status <> 'stopped'
        AND substr(w.name, 1, length(json_extract(n.value, '$.name')) + 1) = json_extract(n.value, '$.name') || '/')
        AS running,
       json_extract(n.value, '$.why') AS why
FROM settings s, json_each(s.value) n
WHERE s.key = 'machines';

-- The daemon's last sign of life; steady_s is on the machine's clock that no change of the date moves.
CREATE VIEW heartbeat AS
SELECT json_extract(value, '$.state') AS state, json_extract(value, '$.pid') AS pid,
       json_extract(value, '$.at') AS unix_s, json_extract(value, '$.steady_s') AS steady_s,
       strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(value, '$.at'), 'unixepoch') AS beat_at
FROM settings WHERE key = 'heartbeat';

-- Room on the disks: per_day_bytes is what was used up lately, days_left what follows from it.
CREATE VIEW storage AS
SELECT json_extract(p.value, '$.place') AS place, json_extract(p.value, '$.free_bytes') AS free_bytes,
       json_extract(p.value, '$.size_bytes') AS size_bytes, json_extract(p.value, '$.per_day_bytes') AS per_day_bytes,
       json_extract(p.value, '$.days_left') AS days_left,
       strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(s.value, '$.at'), 'unixepoch') AS measured_at
FROM settings s, json_each(s.value, '$.places') p
WHERE s.key = 'storage';

CREATE VIEW alert_posts AS
SELECT substr(key, 8) AS target, json_extract(value, '$.sent') AS sent, json_extract(value, '$.failed') AS failed,
       json_array_length(value, '$.outbox') AS waiting
FROM settings WHERE key IN ('alerts webhook', 'alerts command') AND value <> '';

-- One row: what an operator looks at that is not among the totals. The first is said as its partial index says it.
CREATE VIEW upkeep AS
SELECT (SELECT count(*) FROM batches
        WHERE finished_at IS NOT NULL AND (reported_at IS NULL OR reported_at < changed_at)) AS reports_owed,
       (SELECT count(*) FROM workers WHERE status = 'dead') AS workers_dead,
       (SELECT count(*) FROM settings s, json_each(s.value) WHERE s.key = 'troubles') AS troubles,
       (SELECT count(*) FROM rejections) AS files_rejected,
       (SELECT coalesce(max(id), 0) FROM attempts) AS attempts;

CREATE VIEW label_values AS
SELECT name, value, jobs FROM label_totals;

CREATE VIEW labelled_jobs AS SELECT name, value, job_id FROM job_labels;

CREATE VIEW retries AS
SELECT b.name AS batch, j.name AS job, a.job_id AS job_id, a.number AS attempt, a.worker AS worker,
       a.seed AS seed, a.status AS status,
       CASE p.status
            WHEN 'succeeded' THEN coalesce(
                'quality checks failed: ' || (
                    SELECT group_concat(c.name, ', ') FROM outputs o JOIN checks c ON c.output_id = o.id
                    WHERE o.job_id = p.job_id AND o.attempt = p.number AND NOT c.passed),
                'another take was asked for')
            WHEN 'failed' THEN p.error_kind || ': ' || p.error
            WHEN 'interrupted' THEN coalesce('interrupted: ' || p.error, 'interrupted')
            ELSE p.status END AS why,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.started_at, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.finished_at, 'unixepoch') AS finished_at
FROM attempts a
JOIN jobs j ON j.id = a.job_id
JOIN batches b ON b.id = j.batch_id
LEFT JOIN attempts p ON p.job_id = a.job_id AND p.number = a.number - 1
WHERE a.number > 1;

CREATE VIEW attempt_list AS
SELECT b.name AS batch, j.name AS job, a.job_id AS job_id, a.number AS attempt, a.status AS status,
       a.seed AS seed, a.worker AS worker, a.device AS device, a.error_kind AS error_kind, a.error AS error,
       o.path AS audio, o.verdict AS verdict, o.score AS score, (a.number IS j.final_attempt) AS is_final,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.started_at, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', a.finished_at, 'unixepoch') AS finished_at,
       a.id AS attempt_id
FROM attempts a
JOIN jobs j ON j.id = a.job_id
JOIN batches b ON b.id = j.batch_id
LEFT JOIN outputs o ON o.job_id = a.job_id AND o.attempt = a.number;

CREATE VIEW rejected_files AS
SELECT file_name, problem_count,
       (SELECT group_concat(
            coalesce(coalesce(json_extract(value, '$.place'), 'line') || ' ' || json_extract(value, '$.line') || ': ', '')
            || coalesce(json_extract(value, '$.field') || coalesce(' = ' || json_extract(value, '$.value'), '')
                        || ': ', '')
            || json_extract(value, '$.message'), char(10))
        FROM json_each(problems)) AS problems,
       sha256,
       strftime('%Y-%m-%dT%H:%M:%SZ', rejected_at, 'unixepoch') AS rejected_at,
       ulid, problems AS problem_list
FROM rejections;

CREATE VIEW model_speed AS
SELECT model, outputs, round(audio_s, 3) AS audio_s, round(device_s, 3) AS device_s,
       CASE WHEN device_audio_s > 0 THEN round(device_s / device_audio_s, 4) END AS real_time_factor
FROM model_totals;

-- An experiment may be spread over several batches: each with the first of its family. All takes of one:
-- SELECT * FROM takes WHERE batch IN (SELECT batch FROM experiment_family WHERE family = '...')
CREATE VIEW experiment_family AS
SELECT b.name AS batch,
       (WITH RECURSIVE up (name, extends) AS (
            SELECT b.name, b.extends
            UNION ALL
            SELECT e.name, e.extends FROM batches e JOIN up ON e.id = up.extends)
        SELECT name FROM up WHERE extends IS NULL) AS family,
       (SELECT name FROM batches WHERE id = b.extends) AS extends,
       b.id AS batch_id
FROM batches b;

-- How many rows the large views have, and how many of each value in the columns that are listed beside them: what
-- counting their rows one by one would give.
CREATE VIEW row_totals AS
SELECT 'takes' AS view, (SELECT coalesce(sum(n_outputs), 0) FROM batches) AS total
UNION ALL SELECT 'job_list', (SELECT coalesce(sum(job_count), 0) FROM batches)
UNION ALL SELECT 'queue', (SELECT coalesce(sum(n_queued), 0) FROM batches)
UNION ALL SELECT 'failures', (SELECT coalesce(sum(n_failed), 0) FROM batches)
UNION ALL SELECT 'attempt_list', (SELECT count(*) FROM attempts)
UNION ALL SELECT 'scores_by_scorer', (SELECT count(*) FROM scores)
UNION ALL SELECT 'ratings_list', (SELECT count(*) FROM ratings)
UNION ALL SELECT 'labelled_jobs', (SELECT count(*) FROM job_labels)
UNION ALL SELECT 'event_log', (SELECT count(*) FROM events);

CREATE VIEW value_totals AS
SELECT 'takes' AS view, 'batch' AS column_name, name AS value, n_outputs AS total FROM batches WHERE n_outputs > 0
UNION ALL SELECT 'takes', 'model', model, outputs FROM model_totals
UNION ALL SELECT 'takes', 'kept', value, total FROM (
    SELECT 1 AS value, (SELECT count(*) FROM outputs WHERE kept = 1) AS total
    UNION ALL SELECT 0, (SELECT count(*) FROM outputs WHERE kept = 0)) WHERE total > 0
UNION ALL SELECT 'takes', 'verdict', value, total FROM (
    SELECT 'failed' AS value, (SELECT count(*) FROM outputs WHERE verdict = 'failed') AS total
    UNION ALL SELECT 'passed', (SELECT coalesce(sum(n_outputs), 0) FROM batches)
        - (SELECT count(*) FROM outputs WHERE verdict = 'failed')) WHERE total > 0
UNION ALL SELECT 'job_list', 'status', status, n FROM (
    SELECT 'queued' AS status, sum(n_queued) AS n FROM batches
    UNION ALL SELECT 'running', sum(n_running) FROM batches
    UNION ALL SELECT 'succeeded', sum(n_succeeded) FROM batches
    UNION ALL SELECT 'failed', sum(n_failed) FROM batches
    UNION ALL SELECT 'cancelled', sum(n_cancelled) FROM batches) WHERE n > 0;
