<?php
// Brings the tables to what this code needs: migrations/N-*.sql in order, those above the schema
// version that the database itself records. With --pending: exit 1 when there is something to do.

require __DIR__ . '/../lib/here.php';

$database = database();
$at = (int) $database->query('PRAGMA user_version')->fetchColumn();
$files = glob(__DIR__ . '/../migrations/*.sql');
natsort($files);
$pending = array_filter($files, fn ($file) => (int) basename($file) > $at);
if (in_array('--pending', $argv, true)) {
    echo "schema version $at, " . count($pending) . " to apply\n";
    exit($pending === [] ? 0 : 1);
}
foreach ($pending as $file) {
    $database->beginTransaction();
    $database->exec(file_get_contents($file));
    $database->exec('PRAGMA user_version = ' . (int) basename($file));
    $database->commit();
    echo 'applied ' . basename($file) . "\n";
}
