<?php
// WordPress, configured by the release's environment alone.
require_once dirname(__DIR__) . '/lib/environment.php';

(function () {
    $environment = site_environment();
    $database = site_database($environment);
    define('DB_NAME', $database['name']);
    define('DB_USER', $database['user']);
    define('DB_PASSWORD', $database['password']);
    define('DB_HOST', $database['socket'] === ''
        ? $database['host'] . ':' . $database['port']
        : 'localhost:' . $database['socket']);
    define('DB_CHARSET', 'utf8mb4');
    define('DB_COLLATE', '');

    $url = rtrim($environment['SITE_URL'] ?? 'http://localhost', '/');
    define('WP_HOME', $url);
    define('WP_SITEURL', $url);

    // The same in every release of an environment, so that a deploy logs nobody out.
    $salt = $environment['WP_SALT'] ?? $database['user'] . $database['password'];
    foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $use) {
        define("{$use}_KEY", $environment["{$use}_KEY"] ?? hash_hmac('sha256', "$use key", $salt));
        $again = hash_hmac('sha256', "$use salt", $salt);
        define("{$use}_SALT", $environment["{$use}_SALT"] ?? $again);
    }
    define('WP_ENVIRONMENT_TYPE', $environment['WP_ENVIRONMENT_TYPE'] ?? 'production');
})();

$table_prefix = 'wp_';

// Code comes by deploy alone, and nothing of a page's request goes out.
define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_AUTO_UPDATE_CORE', false);
define('DISABLE_WP_CRON', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_DISABLE_FATAL_ERROR_HANDLER', true);
define('WP_DEFAULT_THEME', 'tidegate');
define('FS_METHOD', 'direct');
define('WP_DEBUG', false);

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
