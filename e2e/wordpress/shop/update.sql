ALTER TABLE shop_orders ADD COLUMN currency CHAR(3) NOT NULL DEFAULT 'EUR', MODIFY total DECIMAL(20, 0) NOT NULL;
ALTER TABLE shop_order_lines ADD COLUMN taxed TINYINT NOT NULL DEFAULT 1, ADD INDEX by_article (article);
UPDATE shop_orders SET currency = 'CHF' WHERE total % 2 = 0;
