-- What people asked on the site to have delivered, and what became of it; until now this stood in a setting.
CREATE TABLE asked_deliveries (
    id INTEGER PRIMARY KEY,
    ulid TEXT NOT NULL UNIQUE,  -- of the wish
    of_what TEXT NOT NULL CHECK (of_what IN ('batch', 'shortlist')),
    target TEXT NOT NULL,  -- what people call it
    named TEXT NOT NULL,  -- a batch's ulid, or the name of a shortlist
    takes INTEGER NOT NULL,
    profile TEXT NOT NULL,
    zipped INTEGER NOT NULL CHECK (zipped IN (0, 1)),
    rights INTEGER NOT NULL CHECK (rights IN (0, 1)),
    who TEXT NOT NULL,
    asked_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'making', 'made', 'failed')),
    folder TEXT,  -- below the home's deliveries, as the zip file
    zip_file TEXT,
    said TEXT,
    ended_at REAL
) STRICT;
CREATE INDEX asked_deliveries_of ON asked_deliveries (of_what, target, ulid);
CREATE INDEX asked_deliveries_open ON asked_deliveries (id) WHERE state IN ('waiting', 'making');
INSERT INTO asked_deliveries (
    ulid, of_what, target, named, takes, profile, zipped, rights, who, asked_at, state, folder, zip_file, said, ended_at
)
SELECT json_extract(d.value, '$.ulid'), json_extract(d.value, '$.of'), json_extract(d.value, '$.target'),
       json_extract(d.value, '$.named'), json_extract(d.value, '$.takes'), json_extract(d.value, '$.profile'),
       json_extract(d.value, '$.zipped'), json_extract(d.value, '$.rights'), json_extract(d.value, '$.who'),
       json_extract(d.value, '$.asked_at'), json_extract(d.value, '$.state'), json_extract(d.value, '$.folder'),
       json_extract(d.value, '$.zip'), json_extract(d.value, '$.said'), json_extract(d.value, '$.ended_at')
FROM settings s, json_each(s.value) d WHERE s.key = 'deliveries' ORDER BY d.key;
DELETE FROM settings WHERE key = 'deliveries';
