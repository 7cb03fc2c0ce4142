<?php
require_once dirname(ABSPATH) . '/lib/state.php';

/** This release as one line of JSON, asked anew, safe within an attribute and a comment. */
function tidegate_state(): string
{
    $state = site_state(fn (string $sql) => $GLOBALS['wpdb']->get_var($sql));
    return json_encode($state, JSON_UNESCAPED_SLASHES | JSON_HEX_APOS | JSON_HEX_TAG);
}

/** The newest published post's id, by a query that no cache answers. */
function tidegate_newest_post(): int
{
    return (int) $GLOBALS['wpdb']->get_var(
        "SELECT MAX(ID) FROM wp_posts WHERE post_type = 'post' AND post_status = 'publish'"
    );
}
