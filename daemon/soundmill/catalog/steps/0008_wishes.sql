ALTER TABLE ratings RENAME TO ratings_of_one;
CREATE TABLE ratings (
    output_id INTEGER NOT NULL REFERENCES outputs(id),
    who TEXT NOT NULL,
    stars INTEGER CHECK (stars BETWEEN 1 AND 5),  -- NULL: only rejected, or only a note
    rejected INTEGER NOT NULL DEFAULT 0 CHECK (rejected IN (0, 1)),
    note TEXT,
    rated_at REAL NOT NULL,
    PRIMARY KEY (output_id, who)
) STRICT, WITHOUT ROWID;
INSERT INTO ratings (output_id, who, stars, note, rated_at)
    SELECT output_id, 'owner', stars, note, rated_at FROM ratings_of_one;
DROP TABLE ratings_of_one;

CREATE TABLE shortlists (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    note TEXT,
    created_by TEXT NOT NULL,
    created_at REAL NOT NULL,
    archived_at REAL
) STRICT;
CREATE TABLE picks (
    shortlist_id INTEGER NOT NULL REFERENCES shortlists(id),
    output_id INTEGER NOT NULL REFERENCES outputs(id),
    who TEXT NOT NULL,
    note TEXT,
    picked_at REAL NOT NULL,
    PRIMARY KEY (shortlist_id, output_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX picks_output ON picks (output_id);

CREATE TABLE comparisons (
    id INTEGER PRIMARY KEY,
    ulid TEXT NOT NULL UNIQUE,
    who TEXT NOT NULL,
    at REAL NOT NULL,
    first_output_id INTEGER NOT NULL REFERENCES outputs(id),  -- first: heard first, or on the left
    second_output_id INTEGER NOT NULL REFERENCES outputs(id),
    answer TEXT NOT NULL CHECK (answer IN ('first', 'second', 'tie')),
    blind INTEGER NOT NULL CHECK (blind IN (0, 1)),
    attention INTEGER NOT NULL CHECK (attention IN (0, 1)),  -- asked to see whether somebody listens
    study TEXT
) STRICT;
CREATE INDEX comparisons_first ON comparisons (first_output_id);
CREATE INDEX comparisons_second ON comparisons (second_output_id);
CREATE INDEX comparisons_study ON comparisons (study) WHERE study IS NOT NULL;

-- What became of each wish; the oldest go.
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ulid TEXT NOT NULL UNIQUE,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    who TEXT NOT NULL,
    asked_at REAL NOT NULL,
    answered_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'refused')),
    reason TEXT
) STRICT;

ALTER TABLE batches ADD COLUMN archived_at REAL;
