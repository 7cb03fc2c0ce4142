CREATE TABLE shop_orders (
  number VARCHAR(40) NOT NULL PRIMARY KEY,
  total BIGINT NOT NULL
) ENGINE=InnoDB;
CREATE TABLE shop_order_lines (
  number VARCHAR(40) NOT NULL,
  line INT NOT NULL,
  article VARCHAR(80) NOT NULL,
  amount INT NOT NULL,
  cents INT NOT NULL,
  PRIMARY KEY (number, line),
  FOREIGN KEY (number) REFERENCES shop_orders (number)
) ENGINE=InnoDB;
