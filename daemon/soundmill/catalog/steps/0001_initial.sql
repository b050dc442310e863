CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    ulid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,  -- names a folder, and some file systems fold case
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    on_qc_fail TEXT NOT NULL,
    experiment TEXT,
    job_count INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,      -- when a job of it ended last
    finished_at REAL,   -- when all of them had ended
    reported_at REAL,
    n_queued INTEGER NOT NULL DEFAULT 0,
    n_running INTEGER NOT NULL DEFAULT 0,
    n_succeeded INTEGER NOT NULL DEFAULT 0,
    n_failed INTEGER NOT NULL DEFAULT 0,
    n_cancelled INTEGER NOT NULL DEFAULT 0,
    n_flagged INTEGER NOT NULL DEFAULT 0,
    n_outputs INTEGER NOT NULL DEFAULT 0,
    audio_s REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX batches_sha256 ON batches (sha256);
CREATE INDEX batches_unfinished ON batches (id) WHERE finished_at IS NULL;
CREATE INDEX batches_unreported ON batches (id) WHERE finished_at IS NOT NULL AND reported_at IS NULL;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    batch_id INTEGER NOT NULL REFERENCES batches,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    duration REAL NOT NULL,
    temperature REAL NOT NULL,
    top_k INTEGER NOT NULL,
    top_p REAL NOT NULL,
    cfg_coef REAL NOT NULL,
    seed INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    format TEXT NOT NULL,
    melody TEXT,
    continue_from TEXT,
    labels TEXT NOT NULL DEFAULT '{}',
    condition TEXT NOT NULL DEFAULT '{}',
    replicate INTEGER NOT NULL DEFAULT 1,
    status TEXT NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    held INTEGER NOT NULL DEFAULT 0,
    not_before REAL,
    attempt INTEGER NOT NULL DEFAULT 0,
    strikes INTEGER NOT NULL DEFAULT 0,
    qc_retries INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0,
    error_kind TEXT,
    error TEXT,
    steps_done INTEGER NOT NULL DEFAULT 0,
    steps_due INTEGER NOT NULL DEFAULT 0,
    queued_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    UNIQUE (batch_id, name)
) STRICT;
CREATE INDEX jobs_position ON jobs (batch_id, position);
CREATE INDEX jobs_claimable ON jobs (model, priority DESC, id, suspect)
    WHERE status = 'queued' AND held = 0 AND not_before IS NULL;
CREATE INDEX jobs_oldest ON jobs (model, queued_at)
    WHERE status = 'queued' AND held = 0 AND not_before IS NULL;
CREATE INDEX jobs_queue ON jobs (model, priority DESC, id) WHERE status = 'queued';
CREATE INDEX jobs_waiting ON jobs (not_before) WHERE not_before IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (batch_id, id) WHERE status = 'failed';

CREATE TABLE job_labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    job_id INTEGER NOT NULL REFERENCES jobs,
    PRIMARY KEY (name, value, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_labels_job ON job_labels (job_id);
CREATE TABLE label_totals (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (name, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs,
    number INTEGER NOT NULL,
    worker TEXT NOT NULL,
    device TEXT NOT NULL,
    model TEXT NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'interrupted', 'cancelled')),
    error_kind TEXT,
    error TEXT,
    started_at REAL NOT NULL,
    finished_at REAL,
    UNIQUE (job_id, number)
) STRICT;
CREATE INDEX attempts_running ON attempts (job_id) WHERE status = 'running';
CREATE INDEX attempts_repeated ON attempts (job_id, number) WHERE number > 1;

CREATE TABLE outputs (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs,
    batch_id INTEGER NOT NULL REFERENCES batches,  -- the job's: a page of takes needs no walk over queued jobs
    attempt INTEGER NOT NULL,
    path TEXT NOT NULL UNIQUE,
    format TEXT NOT NULL,
    sample_rate INTEGER NOT NULL,
    channels INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    generation_s REAL NOT NULL,
    normalization TEXT NOT NULL,  -- with its target, what makes the same file of the same tokens again
    normalization_target REAL NOT NULL,
    licence TEXT NOT NULL,
    versions TEXT NOT NULL DEFAULT '{}',
    defects TEXT NOT NULL DEFAULT '[]',
    verdict TEXT NOT NULL CHECK (verdict IN ('passed', 'failed')),
    score REAL,
    ruleset TEXT NOT NULL,
    quarantined INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    UNIQUE (job_id, attempt)
) STRICT;
CREATE INDEX outputs_batch ON outputs (batch_id);
CREATE INDEX outputs_ruleset ON outputs (ruleset);

CREATE TABLE measurements (
    output_id INTEGER PRIMARY KEY REFERENCES outputs,
    silence_share REAL,
    clipping_share REAL,
    repetition_correlation REAL,
    spectral_range_db REAL,
    spectral_tilt_db_per_octave REAL,
    loudness_lufs REAL,
    peak_dbfs REAL,
    peak_before_dbfs REAL,
    clipping_share_before REAL,
    rms_dbfs REAL,
    dc_offset REAL,
    nonfinite_samples REAL,
    duration_s REAL,
    duration_error_s REAL
) STRICT;

CREATE TABLE checks (
    output_id INTEGER NOT NULL REFERENCES outputs,
    name TEXT NOT NULL,
    passed INTEGER NOT NULL,
    value REAL,
    threshold REAL,
    unit TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (output_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX checks_failed ON checks (name) WHERE passed = 0;

CREATE TABLE scores (
    output_id INTEGER NOT NULL REFERENCES outputs,
    scorer TEXT NOT NULL,
    score REAL,
    scored_at REAL NOT NULL,
    PRIMARY KEY (output_id, scorer)
) STRICT, WITHOUT ROWID;

CREATE TABLE ratings (
    output_id INTEGER PRIMARY KEY REFERENCES outputs,
    stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    note TEXT,
    rated_at REAL NOT NULL
) STRICT;

CREATE TABLE model_totals (
    model TEXT PRIMARY KEY,
    outputs INTEGER NOT NULL,
    audio_s REAL NOT NULL,
    generation_s REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    name TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    model TEXT,
    status TEXT NOT NULL CHECK (status IN ('starting', 'idle', 'loading', 'working', 'stopped', 'dead')),
    slots INTEGER NOT NULL,
    running INTEGER NOT NULL,
    started_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    restarts INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    worker TEXT,
    batch_id INTEGER,
    job_id INTEGER
) STRICT;

CREATE TABLE rejections (
    ulid TEXT PRIMARY KEY,
    file_name TEXT NOT NULL,
    sha256 TEXT,
    problem_count INTEGER NOT NULL,
    problems TEXT NOT NULL,
    rejected_at REAL NOT NULL
) STRICT;

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER jobs_count AFTER UPDATE OF status ON jobs WHEN old.status <> new.status BEGIN
    UPDATE batches SET
        n_queued = n_queued - (old.status = 'queued') + (new.status = 'queued'),
        n_running = n_running - (old.status = 'running') + (new.status = 'running'),
        n_succeeded = n_succeeded - (old.status = 'succeeded') + (new.status = 'succeeded'),
        n_failed = n_failed - (old.status = 'failed') + (new.status = 'failed'),
        n_cancelled = n_cancelled - (old.status = 'cancelled') + (new.status = 'cancelled'),
        started_at = coalesce(started_at, new.started_at),
        ended_at = coalesce(new.finished_at, ended_at)
    WHERE id = new.batch_id;
END;

CREATE TRIGGER outputs_count AFTER INSERT ON outputs BEGIN
    UPDATE batches SET n_outputs = n_outputs + 1, audio_s = audio_s + new.duration_s WHERE id = new.batch_id;
    INSERT INTO model_totals (model, outputs, audio_s, generation_s)
        SELECT model, 1, new.duration_s, new.generation_s FROM jobs WHERE id = new.job_id
        ON CONFLICT (model) DO UPDATE SET outputs = outputs + 1, audio_s = audio_s + excluded.audio_s,
            generation_s = generation_s + excluded.generation_s;
END;
