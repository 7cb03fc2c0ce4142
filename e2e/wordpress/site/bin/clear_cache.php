<?php
// What WordPress kept of computed answers.
require_once dirname(__DIR__) . '/lib/environment.php';

try {
    $db = site_connect(site_environment());
    $db->query("DELETE FROM wp_options WHERE option_name LIKE '\\_transient\\_%'"
        . " OR option_name LIKE '\\_site\\_transient\\_%'");
    echo "cleared {$db->affected_rows} transients\n";
} catch (Throwable $problem) {
    fwrite(STDERR, 'clear_cache: ' . $problem->getMessage() . "\n");
    exit(1);
}
