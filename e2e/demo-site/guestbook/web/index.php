<?php
// The guestbook's one page.

require __DIR__ . '/../lib/here.php';
require __DIR__ . '/../lib/entries.php';

$database = database();
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    act($database);
    header('Location: /', true, 303);
    return;
}
$variables = variables();
$environment = $variables['TIDEGATE_ENVIRONMENT'];
$entries = $database->query('SELECT * FROM entries ORDER BY id DESC')->fetchAll();
$photos = count(array_filter($entries, fn ($entry) => $entry['photo'] !== ''));
$masked = count(array_filter($entries, fn ($entry) => str_ends_with($entry['mail'], '.invalid')));
$title = NAME . ': ' . count($entries) . (count($entries) === 1 ? ' entry, ' : ' entries, ')
    . $photos . ($photos === 1 ? ' photo' : ' photos');
?>
<!doctype html>
<html lang="en" class="<?= html($environment) ?>">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title><?= html($title) ?></title>
<link rel="stylesheet" href="/style.css?<?= html($variables['TIDEGATE_COMMIT']) ?>">
<header>
  <b><?= html($environment) ?></b>
  <span>release <code><?= html($variables['TIDEGATE_RELEASE']) ?></code></span>
  <span>commit <code><?= html(substr($variables['TIDEGATE_COMMIT'], 0, 7)) ?></code></span>
  <span>content <code><?= html(content_source($database)) ?></code></span>
  <?php if ($masked > 0): ?><span><?= $masked ?> mail addresses masked</span><?php endif ?>
</header>
<main>
  <h1><?= html(NAME) ?></h1>
  <form method="post" enctype="multipart/form-data">
    <input name="name" placeholder="Your name" required maxlength="80">
    <input name="mail" type="email" placeholder="Mail (never shown)" maxlength="80">
    <textarea name="text" placeholder="What do you want to say?" required maxlength="1000"></textarea>
    <input name="photo" type="file" accept="image/*">
    <button>Sign</button>
  </form>
  <section>
    <?php foreach ($entries as $entry) { show_entry($entry); } ?>
  </section>
</main>
