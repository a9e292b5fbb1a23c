-- key is the spool.KeyHash of what orders a delivery, NULL for one that is not ordered. Of
-- one route and key at most one waits or runs in the states 1, 2, 3 and 6: its head. The
-- others are in state 8, behind, where no lease finds them, until the head has ended.
ALTER TABLE @.deliveries ADD COLUMN IF NOT EXISTS key bigint;
-- How to find the head of a key, those behind of a route, and the next one of a key.
CREATE INDEX heads ON @.deliveries (key, route) WHERE key IS NOT NULL AND state IN (1, 2, 3, 6);
CREATE INDEX behind ON @.deliveries (route, number) WHERE state = 8;
CREATE INDEX nexts ON @.deliveries (key, route, number) WHERE state = 8;
