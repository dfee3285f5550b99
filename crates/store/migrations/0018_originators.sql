-- The originator that an application entity registered. Until now it was that of its name.
ALTER TABLE resource ADD COLUMN originator {text};
UPDATE resource SET originator = 'C' || name WHERE kind = 2;
CREATE INDEX resource_by_originator ON resource (account, originator) WHERE originator IS NOT NULL;
