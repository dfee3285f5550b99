-- How many devices a group may have (0: any number), and how many it has: a counter beside those of accounts, without status and kind.
ALTER TABLE device_group ADD COLUMN max_members BIGINT NOT NULL DEFAULT 0;
INSERT INTO device_count (account, owner, status, node_type, n)
    SELECT g.account, g.id, '', '', COUNT(*) FROM device_group g JOIN group_member m ON m.member_of = g.id GROUP BY g.account, g.id;
