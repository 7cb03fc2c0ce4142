<?php
// What a page or a command may know of where it runs: the two files beside its code.

/** The NAME=value lines that Tidegate wrote for this release. */
function variables(): array
{
    $variables = [];
    foreach (file(__DIR__ . '/../../environment', FILE_IGNORE_NEW_LINES) ?: [] as $line) {
        [$name, $value] = explode('=', $line, 2);
        $variables[$name] = $value;
    }
    return $variables;
}

function database(): PDO
{
    // A command has the variables in its environment; a page reads them from the file.
    $url = PHP_SAPI === 'cli' ? getenv('DATABASE_URL') : variables()['DATABASE_URL'];
    $path = substr($url, strlen('sqlite:///'));
    return new PDO("sqlite:$path", options: [
        PDO::ATTR_TIMEOUT => 5,
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
    ]);
}

/** Where the database came from, for people: "its own", "copied from live, 12:31:08 UTC". */
function content_source(): string
{
    $record = json_decode((string) @file_get_contents(__DIR__ . '/../../release.json'), true);
    $stamp = $record['content']['databases'] ?? null;
    if ($stamp === null) {
        return 'unknown';
    }
    if (in_array($stamp['source'], ['keep', 'empty'], true)) {
        return 'its own';
    }
    $taken = $stamp['takenAt'] ? ', ' . substr($stamp['takenAt'], 11, 8) . ' UTC' : '';
    return "copied from {$stamp['source']}, generation {$stamp['generation']}$taken";
}

function html(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE);
}
