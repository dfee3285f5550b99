-- Provisioning requests are jobs now.
DROP TABLE provisioning;
DROP TABLE provisioning_part;
DROP TABLE provisioning_failure;
