<?php
// Content was created empty: the tables, and a first entry.

require __DIR__ . '/update.php';

$first = $database->prepare('INSERT INTO entries (name, mail, text, photo) VALUES (?, ?, ?, ?)');
$first->execute(['The house', '', 'The guestbook is open.', '']);
$database->prepare('INSERT INTO origin (environment) VALUES (?)')
    ->execute([getenv('TIDEGATE_ENVIRONMENT')]);
