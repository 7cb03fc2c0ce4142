<?php
// The writer's door. POST {title, content, upload}: a post, with an uploaded text file when there
// is `upload`; 201 says that both are kept. GET ?titles=PREFIX: the posts whose title begins so.
// Both want the header X-Post-Token to be the variable POST_TOKEN.
require_once dirname(__DIR__) . '/lib/environment.php';

function answer(int $status, array $body): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($body, JSON_UNESCAPED_SLASHES), "\n";
    exit;
}

$token = site_environment()['POST_TOKEN'] ?? '';
if ($token === '' || !hash_equals($token, $_SERVER['HTTP_X_POST_TOKEN'] ?? '')) {
    answer(403, ['error' => 'the token is wrong']);
}
$request = json_decode(file_get_contents('php://input'), true);
require __DIR__ . '/wp-load.php';

if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    $like = $GLOBALS['wpdb']->esc_like($_GET['titles'] ?? '') . '%';
    $rows = $GLOBALS['wpdb']->get_results($GLOBALS['wpdb']->prepare(
        "SELECT ID, post_title, post_content FROM wp_posts WHERE post_type = 'post'"
        . " AND post_status = 'publish' AND post_title LIKE %s ORDER BY ID",
        $like
    ));
    answer(200, ['posts' => array_map(fn ($row) => [
        'id' => (int) $row->ID,
        'title' => $row->post_title,
        'content' => $row->post_content,
    ], $rows)]);
}

$content = (string) ($request['content'] ?? '');
$upload = null;
if (isset($request['upload'])) {
    // The file before the post that names it: whoever sees the post finds the file.
    $kept = wp_upload_bits(sanitize_title($request['title']) . '.txt', null, $request['upload']);
    if ($kept['error'] !== false) {
        answer(500, ['error' => $kept['error']]);
    }
    $upload = $kept['url'];
    $content .= "\n<a class=\"upload\" href=\"$upload\">the file</a>";
}
$id = wp_insert_post([
    'post_title' => $request['title'],
    'post_content' => $content,
    'post_status' => 'publish',
    'post_author' => 1,
], true);
if (is_wp_error($id)) {
    answer(500, ['error' => $id->get_error_message()]);
}
answer(201, ['id' => $id, 'title' => $request['title'], 'upload' => $upload]);
