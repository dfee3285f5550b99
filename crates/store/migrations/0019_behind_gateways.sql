-- The gateway behind which a device was when its points came or its desired values were set, so that all of a gateway is found in order.
-- Empty of a directly connected device.
ALTER TABLE chunk ADD COLUMN gateway {blob};
UPDATE chunk SET gateway = (SELECT d.gateway FROM device d WHERE d.id = chunk.device) WHERE device IN (SELECT id FROM device WHERE gateway <> id);
CREATE INDEX chunk_by_gateway ON chunk (gateway, last_seq, device, first_seq, t0, t1, n, arrived_at) WHERE gateway IS NOT NULL;

ALTER TABLE setting ADD COLUMN gateway {blob};
UPDATE setting SET gateway = (SELECT d.gateway FROM device d WHERE d.id = setting.device) WHERE device IN (SELECT id FROM device WHERE gateway <> id);
CREATE INDEX setting_by_gateway ON setting (gateway, at, id, device) WHERE gateway IS NOT NULL;
