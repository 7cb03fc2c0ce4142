<?php
// Signing the guestbook.

function sign(PDO $database): void
{
    $name = substr(trim($_POST['name'] ?? ''), 0, 80);
    $mail = substr(trim($_POST['mail'] ?? ''), 0, 80);
    $text = substr(trim($_POST['text'] ?? ''), 0, 1000);
    if ($name === '' || $text === '') {
        return;
    }
    $database->prepare('INSERT INTO entries (name, mail, text, photo) VALUES (?, ?, ?, ?)')
        ->execute([$name, $mail, $text, keep_photo()]);
}

/** Keeps an uploaded picture below web/photos; its name there, or "". */
function keep_photo(): string
{
    $types = [IMAGETYPE_PNG => 'png', IMAGETYPE_JPEG => 'jpeg', IMAGETYPE_GIF => 'gif', IMAGETYPE_WEBP => 'webp'];
    $file = $_FILES['photo']['tmp_name'] ?? '';
    $size = is_uploaded_file($file) ? @getimagesize($file) : false;
    if ($size === false || !isset($types[$size[2]])) {
        return '';
    }
    $name = bin2hex(random_bytes(8)) . '.' . $types[$size[2]];
    move_uploaded_file($file, __DIR__ . "/../web/photos/$name");
    return $name;
}
