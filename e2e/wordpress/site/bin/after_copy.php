<?php
// Makes copied content this environment's own: the address it was copied with becomes SITE_URL, in
// options and posts and in what WordPress serialized. Running it again changes nothing.
require_once dirname(__DIR__) . '/lib/environment.php';

/** Replaces in strings at any depth; leaves objects alone. */
function replace_within(mixed $value, string $from, string $to): mixed
{
    if (is_string($value)) {
        return str_replace($from, $to, $value);
    }
    if (is_array($value)) {
        return array_map(fn ($inner) => replace_within($inner, $from, $to), $value);
    }
    return $value;
}

/** As replace_within for text that may be serialized, whose lengths must stay true. */
function replace_in_text(string $text, string $from, string $to): string
{
    $value = @unserialize($text, ['allowed_classes' => false]);
    if (is_array($value) || is_string($value)) {
        return serialize(replace_within($value, $from, $to));
    }
    return str_replace($from, $to, $text);
}

function replace_in_column(mysqli $db, string $table, string $column, string $from, string $to): int
{
    $id = ['wp_options' => 'option_id', 'wp_posts' => 'ID', 'wp_postmeta' => 'meta_id'][$table];
    $like = $db->real_escape_string(addcslashes($from, '\\_%'));
    $rows = $db->query("SELECT $id, $column FROM $table WHERE $column LIKE '%$like%'");
    $update = $db->prepare("UPDATE $table SET $column = ? WHERE $id = ?");
    foreach ($rows->fetch_all() as [$key, $text]) {
        $update->execute([replace_in_text($text, $from, $to), $key]);
    }
    return $rows->num_rows;
}

try {
    $environment = site_environment();
    $to = rtrim($environment['SITE_URL'], '/');
    $db = site_connect($environment);
    $from = $db->query("SELECT option_value FROM wp_options WHERE option_name = 'siteurl'")
        ->fetch_row()[0];
    $changed = 0;
    if ($from !== $to) {
        $db->begin_transaction();
        foreach (['post_content', 'post_excerpt', 'guid'] as $column) {
            $changed += replace_in_column($db, 'wp_posts', $column, $from, $to);
        }
        $changed += replace_in_column($db, 'wp_postmeta', 'meta_value', $from, $to);
        $changed += replace_in_column($db, 'wp_options', 'option_value', $from, $to);
        $db->commit();
    }
    echo "made $changed values of $from into $to\n";
} catch (Throwable $problem) {
    fwrite(STDERR, 'after_copy: ' . $problem->getMessage() . "\n");
    exit(1);
}
