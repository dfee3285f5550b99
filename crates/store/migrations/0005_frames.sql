ALTER TABLE chunk ADD COLUMN frames {blob};

DROP INDEX device_by_product;
CREATE INDEX device_by_product ON device (product, id) WHERE product IS NOT NULL;
