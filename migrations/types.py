"""The column types of our own as the tables were made with them, frozen: the living ones may change.

Here a type is what stands in the table, nothing else: migrations know neither enums nor keys.
"""

from typing import Any

from sqlalchemy import DateTime, Dialect, String, TypeDecorator
from sqlalchemy.dialects import mysql


class UTCDateTime(TypeDecorator[Any]):
    """With microseconds everywhere."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())


class Code(TypeDecorator[Any]):
    """Text that is compared byte by byte."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARCHAR(self.length, collation="utf8mb4_bin"))
        return dialect.type_descriptor(String(self.length))
