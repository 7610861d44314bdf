"""What may be wrong with the limits that a merchant writes, field by field in words."""

from typing import Protocol

from coupons import scope


class Written(scope.Hours, scope.Goods, Protocol):
    @property
    def name(self) -> str: ...
    @property
    def store_ids(self) -> list[int] | None: ...


MAX_NAME = 20


def of_limits(written: Written) -> dict[str, str]:
    """None of the lists may be empty: that would be good nowhere, never or for nothing."""
    errors: dict[str, str] = {}
    if not 1 <= len(written.name.strip()) <= MAX_NAME:
        errors["name"] = f"名字要 1 到 {MAX_NAME} 个字"
    if written.store_ids == []:
        errors["store_ids"] = "至少选一家店"
    if written.product_ids == [] or written.category_ids == []:
        errors["product_ids"] = "至少选一种商品"
    if written.weekdays is not None and not (
        written.weekdays and all(0 <= day <= 6 for day in written.weekdays)
    ):
        errors["weekdays"] = "至少选一天"
    begin, end = written.from_minute, written.until_minute
    if (begin is None) is not (end is None):
        errors["from_minute"] = "开始和结束都要填，不填就全天"
    elif begin is not None and end is not None and not _is_span(begin, end):
        errors["from_minute"] = "时间写成 14:00 到 17:00 这样"
    return errors


def _is_span(begin: int, end: int) -> bool:
    return 0 <= begin < scope.DAY_MINUTES and 0 < end <= scope.DAY_MINUTES and begin != end
