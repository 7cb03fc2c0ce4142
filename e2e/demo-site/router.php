<?php
// Stands in for a web server: `php -S` runs this for each request of one environment. The link
// `current` (or `next`, for the preview) is resolved here, once, so that one request sees one release.

$place = getenv('DEMO_PLACE');
$link = getenv('DEMO_LINK');

function sorry(string $title, string $text): void
{
    http_response_code(503);
    header('Retry-After: 5');
    echo "<!doctype html><meta charset=\"utf-8\"><title>$title</title>"
        . '<body style="font: 18px/1.5 system-ui, sans-serif; max-width: 32em; margin: 20vh auto; color: #334">'
        . "<h1>$title</h1><p>$text</p>";
}

if ($link === 'current' && file_exists("$place/maintenance")) {
    sorry('Maintenance', 'This site is being updated. Please try again in a moment.');
    return;
}
$release = @readlink("$place/$link");
if ($release === false) {
    sorry('Nothing here yet', "No release runs in $place.");
    return;
}
$docroot = ($release[0] === '/' ? $release : "$place/$release") . '/code/web';
$path = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$types = ['css' => 'text/css', 'png' => 'image/png', 'jpeg' => 'image/jpeg', 'gif' => 'image/gif',
    'webp' => 'image/webp'];
if (preg_match('~^/(?:style|photos/[0-9a-f]+)\.(css|png|jpeg|gif|webp)$~', $path, $match)) {
    if (!is_file($docroot . $path)) {
        http_response_code(404);
        return;
    }
    header('Content-Type: ' . $types[$match[1]]);
    readfile($docroot . $path);
    return;
}
if ($path !== '/' && $path !== '/index.php') {
    http_response_code(404);
    echo 'Not found';
    return;
}
chdir($docroot);
require "$docroot/index.php";
