"""What somebody wants to give back: pieces of lines, the delivery fee, or simply an amount."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Act(StrEnum):
    """What is wanted of a refund that is stuck."""

    restart = "restart"
    finish = "finish"


@dataclass(frozen=True)
class Wanted:
    """`pieces`: position of a line → how many; those in `restock` can be sold again. `free_fen` is
    money for no goods in particular. With `cancels` it is all that is left, and the order ends.
    With `act` it is the money of refund `of_refund`: asked for anew, or given back by hand."""

    pieces: Mapping[int, int] = field(default_factory=dict)
    delivery_fen: int = 0
    free_fen: int = 0
    restock: frozenset[int] = frozenset()
    cancels: bool = False
    act: Act | None = None
    of_refund: int = 0

    def as_json(self) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "pieces": [[position, pieces] for position, pieces in sorted(self.pieces.items())],
            "delivery_fen": self.delivery_fen,
            "free_fen": self.free_fen,
            "restock": sorted(self.restock),
        }
        if self.cancels:
            kept["cancels"] = True
        if self.act is not None:
            kept |= {"act": self.act, "of_refund": self.of_refund}
        return kept

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> "Wanted":
        return cls(
            pieces={int(position): int(pieces) for position, pieces in kept["pieces"]},
            delivery_fen=int(kept["delivery_fen"]),
            free_fen=int(kept["free_fen"]),
            restock=frozenset(int(position) for position in kept["restock"]),
            cancels=bool(kept.get("cancels")),
            act=Act(kept["act"]) if "act" in kept else None,
            of_refund=int(kept.get("of_refund", 0)),
        )


def free(amount_fen: int) -> Wanted:
    return Wanted(free_fen=amount_fen)
