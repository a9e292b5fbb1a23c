-- key is the spool.KeyHash of what orders a delivery, NULL for one that is not ordered. Of
-- one route and key one waits or runs in the states 1, 2, 3 and 6: its head. The others are
-- in state 8, behind, where no lease finds them, until the head has ended.
ALTER TABLE @.deliveries ADD COLUMN IF NOT EXISTS key bigint;
