-- The answer of somebody who listens, of what was asked only to see that; NULL: nobody knows, or there is none.
ALTER TABLE comparisons ADD COLUMN expected TEXT CHECK (expected IN ('first', 'second', 'tie'));
CREATE INDEX comparisons_checks ON comparisons (who) WHERE attention;
