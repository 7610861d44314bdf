"""What somebody wants to give back: pieces of lines, the delivery fee, or simply an amount."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """`pieces`: position of a line → how many; those in `restock` can be sold again. `free_fen` is
    money for no goods in particular. With `cancels` it is all that is left, and the order ends."""

    pieces: Mapping[int, int] = field(default_factory=dict)
    delivery_fen: int = 0
    free_fen: int = 0
    restock: frozenset[int] = frozenset()
    cancels: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "pieces": [[position, pieces] for position, pieces in sorted(self.pieces.items())],
            "delivery_fen": self.delivery_fen,
            "free_fen": self.free_fen,
            "restock": sorted(self.restock),
        } | ({"cancels": True} if self.cancels else {})

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> "Wanted":
        return cls(
            pieces={int(position): int(pieces) for position, pieces in kept["pieces"]},
            delivery_fen=int(kept["delivery_fen"]),
            free_fen=int(kept["free_fen"]),
            restock=frozenset(int(position) for position in kept["restock"]),
            cancels=bool(kept.get("cancels")),
        )


def free(amount_fen: int) -> Wanted:
    return Wanted(free_fen=amount_fen)
