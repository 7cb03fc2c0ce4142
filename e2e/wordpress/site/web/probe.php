<?php
// A cheap page that touches everything a release is made of, and boots no WordPress.
require_once dirname(__DIR__) . '/lib/state.php';

ini_set('display_errors', '0');
header('Content-Type: application/json');
header('Cache-Control: no-store');

$db = site_connect(site_environment());
$state = site_state(fn (string $sql) => $db->query($sql)->fetch_row()[0] ?? null);
$columns = implode(', ', array_merge(['upload_sha256'], probe_columns()));
$row = $db->query("SELECT $columns FROM wp_tidegate_probe WHERE id = 1")->fetch_assoc();

$state['upload_expected'] = $row['upload_sha256'];
$state['upload'] = hash_file('sha256', __DIR__ . '/wp-content/uploads/tidegate-probe.txt');
$state['newest_post'] = (int) $db->query(
    "SELECT MAX(ID) FROM wp_posts WHERE post_type = 'post' AND post_status = 'publish'"
)->fetch_row()[0];
$state['database'] = site_database(site_environment())['name'];
echo json_encode($state, JSON_UNESCAPED_SLASHES), "\n";
