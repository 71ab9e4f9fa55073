PRAGMA journal_mode=WAL;
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, value REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
  INSERT INTO items SELECT i, 'item ' || (i * 7919 % 20011), i * 0.5 FROM n;
CREATE INDEX by_name ON items(name);
SELECT count(*), sum(value), min(name), max(name) FROM items;
SELECT name, value FROM items WHERE name LIKE 'item 199%' ORDER BY name LIMIT 5;
BEGIN;
UPDATE items SET value = value + 1 WHERE id % 3 = 0;
DELETE FROM items WHERE id % 5 = 0;
ROLLBACK;
SELECT total(value) FROM items;
BEGIN; DELETE FROM items WHERE id > 10000; COMMIT;
VACUUM;
SELECT a.id, b.id FROM items a JOIN items b ON b.name = 'item ' || a.id ORDER BY a.id LIMIT 3;
PRAGMA integrity_check;
SELECT printf('%.3f', avg(value)) FROM items;
