"""Arithmetic of refunds, all of it: what a part of a line is worth, and from where it goes back.

Pure. Parts add up to the whole; nothing is ever worth more than what is left of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from core.money import split_fen


class Taken(NamedTuple):
    """A line, and what of it was asked back before."""

    quantity: int
    payable_fen: int
    pieces: int = 0
    fen: int = 0


class Source(NamedTuple):
    """What is left of the `paid_fen` of one payment: at its channel, and of the stored balance
    beside it. `share`: it paid one of the shares in which a table pays together."""

    attempt_id: int
    channel_fen: int
    balance_fen: int
    paid_fen: int = 0
    share: bool = False

    @property
    def left_fen(self) -> int:
        return self.channel_fen + self.balance_fen


def left_of(attempt_id: int, paid: tuple[int, int], gone: tuple[int, int]) -> Source:
    """Of a payment by channel and balance, `gone` of each. What went back of one side beyond what
    it took, because it went out by hand and by the channel too, is off the other."""
    channel, balance = (before - after for before, after in zip(paid, gone, strict=True))
    if channel < 0:
        channel, balance = 0, balance + channel
    elif balance < 0:
        channel, balance = channel + balance, 0
    return Source(attempt_id, max(channel, 0), max(balance, 0), sum(paid))


def of_pieces(line: Taken, pieces: int) -> int:
    """What the next `pieces` of a line are worth: shares of what was paid for it by largest
    remainder; the last of them take whatever is left.

    Raises ValueError for more pieces than are left, or fewer than one.
    """
    if not 0 < pieces <= line.quantity - line.pieces:
        raise ValueError(f"{pieces} pieces of {line}")
    left = line.payable_fen - line.fen
    if line.pieces + pieces == line.quantity:
        return left
    each, larger = divmod(line.payable_fen, line.quantity)
    from_, to = line.pieces, line.pieces + pieces
    return min(each * pieces + min(to, larger) - min(from_, larger), left)


def cut(parts: Sequence[int], most: int) -> list[int]:
    """The parts, or where they are more than `most` together, their shares of it."""
    whole = sum(parts)
    return list(parts) if whole <= most else split_fen(most, list(parts))


def from_sources(amount_fen: int, sources: Sequence[Source]) -> list[Source]:
    """Where `amount_fen` goes back to: where a table paid in shares, to everybody as much as brings
    them to their share of all that went back, else source after source; of each, in the proportion
    of what is left at the channel and of the balance. Raises ValueError when all hold less."""
    rooms = [source.left_fen for source in sources]
    if amount_fen > sum(rooms):
        raise ValueError(f"{amount_fen - sum(rooms)} fen more than the payments hold")
    if sources and all(source.share for source in sources):
        parts = _to_whom_it_is_short(amount_fen, sources)
    else:
        parts = [sum(given) for given in fill(rooms, [amount_fen])]
    found = []
    for source, fen in zip(sources, parts, strict=True):
        if fen > 0:
            channel, balance = split_fen(fen, [source.channel_fen, source.balance_fen])
            found.append(Source(source.attempt_id, channel, balance))
    return found


def _to_whom_it_is_short(amount_fen: int, sources: Sequence[Source]) -> list[int]:
    """In proportion to what each paid, with what went back before: who got less than the others,
    because theirs failed, gets it first. Nobody gets more than is left of theirs."""
    paid = [source.paid_fen for source in sources]
    gone = [source.paid_fen - source.left_fen for source in sources]
    due = split_fen(sum(gone) + amount_fen, paid)
    short = [max(fen - before, 0) for fen, before in zip(due, gone, strict=True)]
    return cut(short, amount_fen)


def fill(rooms: Sequence[int], parts: Sequence[int]) -> list[list[int]]:
    """How `parts` fall on `rooms`, one after the other: for each room, the fen of every part.

    Both add up to the same. A part of 0 fen lies in no room.
    """
    left = list(parts)
    filled = []
    for room in rooms:
        here = []
        for number, part in enumerate(left):
            fen = min(part, room)
            here.append(fen)
            left[number] -= fen
            room -= fen
        filled.append(here)
    return filled
