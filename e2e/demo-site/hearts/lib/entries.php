<?php
// What an entry is: what can be done to it, how it looks, how it is liked.

require __DIR__ . '/sign.php';

const NAME = 'Guestbook with hearts';

/** Does what a form asks for. */
function act(PDO $database): void
{
    if (!isset($_POST['heart'])) {
        sign($database);
        return;
    }
    $database->prepare('UPDATE entries SET hearts = hearts + 1 WHERE id = ?')
        ->execute([(int) $_POST['heart']]);
}

function show_entry(array $entry): void
{
    echo '<article>';
    if ($entry['photo'] !== '') {
        echo '<img src="/photos/' . html($entry['photo']) . '" alt="">';
    }
    echo '<p>' . nl2br(html($entry['text'])) . '</p><footer>' . html($entry['name'])
        . '<form class="heart" method="post"><button name="heart" value="' . (int) $entry['id'] . '">♥ '
        . (int) $entry['hearts'] . '</button></form></footer></article>';
}
