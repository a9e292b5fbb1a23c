ALTER TABLE deliveries ADD COLUMN key INTEGER;
CREATE INDEX heads ON deliveries (route, key) WHERE key IS NOT NULL AND state IN (1, 3, 6);
CREATE INDEX behind ON deliveries (route, key) WHERE state = 8;
CREATE INDEX waits ON deliveries (route) WHERE state = 8;
