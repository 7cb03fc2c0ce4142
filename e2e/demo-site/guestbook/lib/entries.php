<?php
// What an entry is: what can be done to it, how it looks.

require __DIR__ . '/sign.php';

const NAME = 'Guestbook';

/** Does what a form asks for. */
function act(PDO $database): void
{
    sign($database);
}

function show_entry(array $entry): void
{
    echo '<article>';
    if ($entry['photo'] !== '') {
        echo '<img src="/photos/' . html($entry['photo']) . '" alt="">';
    }
    echo '<p>' . nl2br(html($entry['text'])) . '</p><footer>' . html($entry['name']) . '</footer></article>';
}
