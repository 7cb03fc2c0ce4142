CREATE TABLE IF NOT EXISTS wp_tidegate_migration (
  number INT NOT NULL PRIMARY KEY
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS wp_tidegate_probe (
  id INT NOT NULL PRIMARY KEY,
  schema_number INT NOT NULL,
  upload_sha256 CHAR(64) NOT NULL
) ENGINE=InnoDB;
INSERT IGNORE INTO wp_tidegate_probe VALUES (1, 0, '');
