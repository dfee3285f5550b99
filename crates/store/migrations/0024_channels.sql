-- The channel by which a subscriber is told; until now there was one.
ALTER TABLE subscription ADD COLUMN channel TEXT NOT NULL DEFAULT 'HTTP';
