<?php
// No mail, no request to the network, and no redirect to the address in the database: the preview
// host shows the release under its own name.
add_filter('pre_wp_mail', '__return_true');
add_filter('pre_http_request', fn () => new WP_Error('blocked', 'no page of this site goes out'));
remove_action('template_redirect', 'redirect_canonical');
