<?php
// What a page says about the release that made it. Nothing is remembered between two calls, so a
// page that asks at its start and at its end would see a mixture.
require_once __DIR__ . '/environment.php';
require_once __DIR__ . '/schema.php';

/** `$value` runs one query and returns its first column. */
function site_state(callable $value): array
{
    $environment = site_environment();
    return [
        'environment' => $environment['TIDEGATE_ENVIRONMENT'] ?? '',
        'release' => $environment['TIDEGATE_RELEASE'] ?? '',
        'commit' => $environment['TIDEGATE_COMMIT'] ?? '',
        'marker' => trim(file_get_contents(code_root() . '/COMMIT_MARKER')),
        'compiled_marker' => require code_root() . '/lib/marker.php',
        'schema' => code_schema(),
        'option_schema' => (int) $value(
            "SELECT option_value FROM wp_options WHERE option_name = 'tidegate_schema'"
        ),
        'row_schema' => (int) $value('SELECT schema_number FROM wp_tidegate_probe'),
    ];
}
