-- What stands of the observations, as JSON; absent: as the record says.
ALTER TABLE registration ADD COLUMN observed {text};
