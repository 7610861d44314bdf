"""A posted form: what was typed, what it means, and what is wrong with it. The parsers answer
None where they note an error, so a page can show all of them at once.

    form = Form(request.form)
    amount_fen = form.yuan("amount", low=1)
    if form.errors: return page(…, 422, form=form)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import LinliError
from core.money import format_yuan, parse_yuan


def whole(text: str) -> int | None:
    """An id or a count that a form or an address carries; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


class Form:
    def __init__(self, given: Mapping[str, Any] | None = None, **defaults: Any) -> None:
        self._values = {**defaults, **dict(given or {})}
        self.errors: dict[str, str] = defaultdict(str)

    def __getitem__(self, name: str) -> str:
        value = self._values.get(name)
        return "" if value is None else str(value)

    @property
    def given(self) -> dict[str, Any]:
        """All that was typed, for another look at it."""
        return dict(self._values)

    def put(self, name: str, value: Any) -> None:
        self._values[name] = value

    def refuse(self, name: str, why: str) -> None:
        self.errors.setdefault(name, why)

    def refuse_with(self, error: LinliError, name: str) -> None:
        """A verb refused: put what it said beside the field it is about, or beside `name`."""
        known = {field: why for field, why in error.errors.items() if field in self._values}
        for field, why in (known or {name: error.detail}).items():
            self.refuse(field, why)

    def text(self, name: str, *, longest: int, needed: bool = True) -> str | None:
        value = self[name].strip()
        if needed and not value:
            self.refuse(name, "要填")
            return None
        if len(value) > longest:
            self.refuse(name, f"最多 {longest} 个字")
            return None
        return value

    def whole(
        self, name: str, *, low: int = 0, high: int = 1_000_000, needed: bool = True
    ) -> int | None:
        text = self[name].strip().replace(",", "")
        if not text and not needed:
            return None
        if not text.isascii() or not text.isdigit():
            self.refuse(name, "填一个整数")
            return None
        number = whole(text)
        if number is None or not low <= number <= high:
            self.refuse(name, f"在 {low:,} 到 {high:,} 之间")
            return None
        return number

    def yuan(
        self, name: str, *, low: int = 0, high: int = 100_000_00, needed: bool = True
    ) -> int | None:
        """An amount typed in yuan, in fen; `low` and `high` are fen."""
        text = self[name].strip().lstrip("¥").replace(",", "")
        if not text and not needed:
            return None
        try:
            fen = parse_yuan(text)
        except (ValueError, LinliError):
            self.refuse(name, "填金额，最多两位小数")
            return None
        if not low <= fen <= high:
            self.refuse(name, f"在 ¥{format_yuan(low)} 到 ¥{format_yuan(high)} 之间")
            return None
        return fen

    def tenths(self, name: str) -> int | None:
        """`8.5` 折, in basis points off: 1,500."""
        try:
            tenths = float(self[name])
        except ValueError:
            tenths = 0.0
        if not 0.1 <= tenths <= 9.9:
            self.refuse(name, "填 0.1 到 9.9，比如 8.5")
            return None
        return 10_000 - round(tenths * 1_000)

    def one_of(self, name: str, options: Iterable[Any], why: str = "选一个") -> str | None:
        if self[name] in {str(option) for option in options}:
            return self[name]
        self.refuse(name, why)
        return None
