"""Types that every topic shares; those of any JSON door are in `core.schemas`."""

from core.schemas import (
    Fen,
    IdIn,
    IdOut,
    In,
    Item,
    Moment,
    Name,
    Note,
    Out,
    Page,
    PageQuery,
    Params,
    WriteHeader,
    no_control_characters,
)

__all__ = [
    "Fen",
    "IdIn",
    "IdOut",
    "In",
    "Item",
    "Moment",
    "Name",
    "Note",
    "Out",
    "Page",
    "PageQuery",
    "Params",
    "WriteHeader",
    "no_control_characters",
]
