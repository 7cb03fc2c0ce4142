<?php
// What the release was given. A page reads the file beside its code tree; a command has the same
// names in its process environment. Both are raw values, so nothing here unquotes.

/** NAME => value of this release. Read anew on every call. */
function site_environment(): array
{
    if (PHP_SAPI === 'cli' && getenv('DATABASE_URL') !== false) {
        return getenv();
    }
    $path = dirname(__DIR__, 2) . '/environment';
    $text = @file_get_contents($path);
    if ($text === false) {
        throw new RuntimeException("environment: cannot read '$path'");
    }
    $values = [];
    foreach (explode("\n", $text) as $line) {
        $parts = explode('=', $line, 2);
        if (count($parts) === 2) {
            $values[$parts[0]] = $parts[1];
        }
    }
    return $values;
}

/** mysql://user:password@host/name?socket=PATH, taken apart and percent-decoded. */
function site_database(array $environment): array
{
    $url = parse_url($environment['DATABASE_URL'] ?? '');
    if (!isset($url['user'], $url['path']) || ($url['scheme'] ?? '') !== 'mysql') {
        throw new RuntimeException('environment: DATABASE_URL is no mysql:// address');
    }
    parse_str($url['query'] ?? '', $options);
    return [
        'host' => rawurldecode($url['host'] ?? 'localhost'),
        'port' => (int) ($url['port'] ?? 3306),
        'socket' => $options['socket'] ?? '',
        'user' => rawurldecode($url['user']),
        'password' => rawurldecode($url['pass'] ?? ''),
        'name' => rawurldecode(ltrim($url['path'], '/')),
    ];
}

/** A connection that throws mysqli_sql_exception on every error. */
function site_connect(array $environment): mysqli
{
    $to = site_database($environment);
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    $host = $to['socket'] === '' ? $to['host'] : 'localhost';
    $socket = $to['socket'] === '' ? null : $to['socket'];
    $db = new mysqli($host, $to['user'], $to['password'], $to['name'], $to['port'], $socket);
    $db->set_charset('utf8mb4');
    return $db;
}
