CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  mail TEXT NOT NULL,
  text TEXT NOT NULL,
  photo TEXT NOT NULL
);

-- One row, so that a page can say where its content comes from.
CREATE TABLE origin (
  environment TEXT NOT NULL,
  copied_at TEXT
);
