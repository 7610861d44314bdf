"""UnionPay's online gateway, its cashier and its files."""
