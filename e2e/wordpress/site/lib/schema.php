<?php
// Migrations: files in migrations/, `NNN-name.sql` (statements that end in `;` at a line's end) or
// `NNN-name.php` (returns a function of connection and environment). The numbers applied are in the
// database; so is the highest, as an option and in the probe row, which must agree.

function code_root(): string
{
    return dirname(__DIR__);
}

/** The number the code expects at least: the file SCHEMA. */
function code_schema(): int
{
    return (int) trim(file_get_contents(code_root() . '/SCHEMA'));
}

/** number => path, ascending. */
function code_migrations(): array
{
    $found = [];
    foreach (scandir(code_root() . '/migrations') as $name) {
        if (preg_match('/^(\d{3})-.*\.(sql|php)$/', $name, $match)) {
            $found[(int) $match[1]] = code_root() . "/migrations/$name";
        }
    }
    ksort($found);
    return $found;
}

/** Columns of the probe table that the code's migrations added and its pages read. */
function probe_columns(): array
{
    $added = array_filter(array_keys(code_migrations()), fn ($number) => $number > 1);
    return array_map(fn ($number) => sprintf('since_%03d', $number), array_values($added));
}

function table_exists(mysqli $db, string $table): bool
{
    $name = addcslashes($db->real_escape_string($table), '_%');
    return $db->query("SHOW TABLES LIKE '$name'")->num_rows > 0;
}

/** What the code has and the database has not; everything when it was never migrated. */
function pending_migrations(mysqli $db): array
{
    $applied = [];
    if (table_exists($db, 'wp_tidegate_migration')) {
        $rows = $db->query('SELECT number FROM wp_tidegate_migration')->fetch_all();
        $applied = array_map('intval', array_column($rows, 0));
    }
    return array_diff_key(code_migrations(), array_flip($applied));
}

function run_migration(mysqli $db, string $path, array $environment): void
{
    if (str_ends_with($path, '.php')) {
        (require $path)($db, $environment);
        return;
    }
    foreach (preg_split('/;\s*\n/', file_get_contents($path)) as $statement) {
        if (trim($statement) !== '') {
            $db->query($statement);
        }
    }
}

/** Applies what is pending, in order, and returns the names. Throws at the first that fails. */
function apply_migrations(mysqli $db, array $environment): array
{
    $done = [];
    foreach (pending_migrations($db) as $number => $path) {
        run_migration($db, $path, $environment);
        $db->query("INSERT INTO wp_tidegate_migration (number) VALUES ($number)");
        $db->query('UPDATE wp_tidegate_probe SET schema_number ='
            . ' (SELECT MAX(number) FROM wp_tidegate_migration)');
        $db->query("REPLACE INTO wp_options (option_name, option_value, autoload) SELECT"
            . " 'tidegate_schema', MAX(number), 'no' FROM wp_tidegate_migration");
        $done[] = basename($path);
    }
    return $done;
}
