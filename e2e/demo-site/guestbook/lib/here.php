<?php
// What a page or a command may know of where it runs: the variables of its release, and its content.

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

/** Where the content comes from, for people: "its own", "copied from live at 12:31:08". */
function content_source(PDO $database): string
{
    $origin = $database->query('SELECT * FROM origin')->fetch();
    return $origin['copied_at'] === null
        ? 'its own'
        : "copied from {$origin['environment']} at {$origin['copied_at']}";
}

function html(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE);
}
