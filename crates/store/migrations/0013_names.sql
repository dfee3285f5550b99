-- A device's own row tells its names; each index cost every registration a page.
DROP INDEX identity_by_device;
DROP INDEX identity_clash_by_device;
