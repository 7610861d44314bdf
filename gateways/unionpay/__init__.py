"""UnionPay's online gateway (ACP 5.1): forms that the payer's browser carries, and back calls."""
