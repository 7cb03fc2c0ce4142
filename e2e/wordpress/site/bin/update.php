<?php
// Applies the migrations the database has not seen. Exit 1 at the first that fails, which may leave
// tables changed half-way: putting them back is the deployer's.
require_once dirname(__DIR__) . '/lib/environment.php';
require_once dirname(__DIR__) . '/lib/schema.php';

try {
    $environment = site_environment();
    foreach (apply_migrations(site_connect($environment), $environment) as $name) {
        echo "applied $name\n";
    }
} catch (Throwable $problem) {
    fwrite(STDERR, 'update: ' . $problem->getMessage() . "\n");
    exit(1);
}
