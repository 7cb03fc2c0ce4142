<?php
// Exit 0: the database is what the code expects. 1: update.php has something to do. 2: cannot tell.
require_once dirname(__DIR__) . '/lib/environment.php';
require_once dirname(__DIR__) . '/lib/schema.php';

try {
    $pending = pending_migrations(site_connect(site_environment()));
} catch (Throwable $problem) {
    fwrite(STDERR, 'update_pending: ' . $problem->getMessage() . "\n");
    exit(2);
}
foreach ($pending as $path) {
    echo 'pending ', basename($path), "\n";
}
exit($pending === [] ? 0 : 1);
