<?php
// The shop's till. POST {number, lines: [{article, amount, cents}, …]}: an order with its lines;
// 201 says that it is committed, and which release took it. GET: every order there is.
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

function columns_of(mysqli $db, string $table): array
{
    return array_column($db->query("SHOW COLUMNS FROM $table")->fetch_all(), 0);
}

$environment = site_environment();
$token = $environment['POST_TOKEN'] ?? '';
if ($token === '' || !hash_equals($token, $_SERVER['HTTP_X_POST_TOKEN'] ?? '')) {
    answer(403, ['error' => 'the token is wrong']);
}
try {
    $db = site_connect($environment);
    if ($_SERVER['REQUEST_METHOD'] === 'GET') {
        $rows = $db->query('SELECT o.number, o.total, COUNT(l.line), SUM(l.amount * l.cents)'
            . ' FROM shop_orders o LEFT JOIN shop_order_lines l ON l.number = o.number'
            . ' GROUP BY o.number, o.total')->fetch_all();
        answer(200, [
            'orders' => array_map(fn ($row) => [
                'number' => $row[0],
                'lines' => (int) $row[2],
                'whole' => $row[1] === $row[3],
            ], $rows),
            'columns' => ['shop_orders' => columns_of($db, 'shop_orders'),
                'shop_order_lines' => columns_of($db, 'shop_order_lines')],
        ]);
    }
    $order = json_decode(file_get_contents('php://input'), true);
    $total = array_sum(array_map(fn ($line) => $line['amount'] * $line['cents'], $order['lines']));
    $db->begin_transaction();
    $db->prepare('INSERT INTO shop_orders (number, total) VALUES (?, ?)')
        ->execute([$order['number'], $total]);
    $add = $db->prepare('INSERT INTO shop_order_lines (number, line, article, amount, cents)'
        . ' VALUES (?, ?, ?, ?, ?)');
    foreach ($order['lines'] as $number => $line) {
        $add->execute([$order['number'], $number, $line['article'], $line['amount'],
            $line['cents']]);
    }
    $db->commit();
} catch (Throwable $problem) {
    answer(500, ['error' => $problem->getMessage()]);
}
answer(201, ['number' => $order['number'], 'commit' => $environment['TIDEGATE_COMMIT']]);
