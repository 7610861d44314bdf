"""Money is an integer number of fen; percentages are basis points; parts add up to the whole."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation


def split_fen(total: int, weights: list[int]) -> list[int]:
    """Split `total` in proportion to `weights` by largest remainder.

    The parts add up to `total`; no part exceeds its weight when `total` ≤ the sum of weights. With
    weights that are all zero the first part takes everything. Raises ValueError on negative input
    or when there is nothing to split over.
    """
    if not weights or total < 0 or min(weights) < 0:
        raise ValueError("split_fen needs weights and no negative numbers")
    whole = sum(weights)
    if whole == 0:
        return [total] + [0] * (len(weights) - 1)
    parts = [total * weight // whole for weight in weights]
    neediest = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in neediest[: total - sum(parts)]:
        parts[i] += 1
    return parts


def apply_basis_points(amount_fen: int, basis_points: int) -> int:
    """`amount_fen` × `basis_points` / 10,000, rounded half up, once."""
    if amount_fen < 0 or basis_points < 0:
        raise ValueError("apply_basis_points takes no negative numbers")
    return (amount_fen * basis_points + 5_000) // 10_000


def format_yuan(fen: int, *, symbol: bool = False, trim: bool = False) -> str:
    """`1250` → `12.50`; with `symbol` `¥12.50`; with `trim` whole yuan lose their `.00`."""
    sign, fen = ("-" if fen < 0 else ""), abs(fen)
    text = f"{fen // 100:,}" if trim and fen % 100 == 0 else f"{fen // 100:,}.{fen % 100:02d}"
    return f"{sign}{'¥' if symbol else ''}{text}"


def parse_yuan(text: str) -> int:
    """`"12.5"`, `"¥1,200"` → fen. Raises ValueError for anything but yuan with ≤ 2 decimals."""
    try:
        yuan = Decimal(text.strip().lstrip("¥￥").replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"not an amount: {text!r}") from None
    if not yuan.is_finite():
        raise ValueError(f"not an amount: {text!r}")
    fen = yuan * 100
    if fen != fen.to_integral_value(rounding=ROUND_HALF_UP):
        raise ValueError("an amount has at most two decimals")
    return int(fen)
