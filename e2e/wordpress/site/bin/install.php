<?php
// Fills empty content: WordPress's tables, the migrations, the file the probe page reads. What is
// there already is left alone, so it may be run again.
$environment = getenv();
$url = parse_url($environment['SITE_URL'] ?? 'http://localhost');
$_SERVER['HTTP_HOST'] = $url['host'] . (isset($url['port']) ? ':' . $url['port'] : '');
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_URI'] = '/';
define('WP_INSTALLING', true);
require dirname(__DIR__) . '/web/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once dirname(__DIR__) . '/lib/schema.php';

try {
    if (!is_blog_installed()) {
        $password = $environment['ADMIN_PASSWORD'] ?? wp_generate_password(24);
        $name = $environment['TIDEGATE_SITE'] ?? 'Tidegate';
        wp_install($name, 'admin', 'admin@example.org', true, '', $password);
        echo "installed WordPress {$GLOBALS['wp_version']} at {$environment['SITE_URL']}\n";
    }
    $db = site_connect($environment);
    foreach (apply_migrations($db, $environment) as $name) {
        echo "applied $name\n";
    }
    // The same text everywhere: rows and files may be copied one without the other.
    $text = str_repeat("What the tide brings in, the gate lets through.\n", 400);
    $path = ABSPATH . 'wp-content/uploads/tidegate-probe.txt';
    if (!file_exists($path) && file_put_contents($path, $text) === false) {
        throw new RuntimeException("cannot write '$path'");
    }
    $db->query("UPDATE wp_tidegate_probe SET upload_sha256 = '" . hash('sha256', $text) . "'");
} catch (Throwable $problem) {
    fwrite(STDERR, 'install: ' . $problem->getMessage() . "\n");
    exit(1);
}
