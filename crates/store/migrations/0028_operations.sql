-- The fragments of a command, each as JSON on a line of its own.
ALTER TABLE command ADD COLUMN names {text} NOT NULL DEFAULT '';
