"""One job for each: a journey, a merchant or a segment that fails or takes long holds up no other.

The periodic job only asks whose turn it is. Whoever's job still waits or runs is left out, so a
period that is shorter than the work does not pile it up.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from core import clock, outbox
from tasks.registry import Later, Run

SLICES = 200
"""How many slices a job does before it makes room for another's."""


def each(
    run: Run,
    name: str,
    whose: str,
    ids: Iterable[int],
    *,
    patience: timedelta | None = None,
    **args: Any,
) -> None:
    """Enqueue the job `name` for everybody, with their id as the argument `whose`.

    `patience`: for how long one that was handed to a worker is waited for, where two at once do no
    harm and a killed worker should not hold up anybody for a lease.
    """
    now = clock.now()
    stamp = int(now.timestamp())
    since = now - patience if patience is not None else None
    with run.finish() as session:
        keys = outbox.live_keys(session, name, pushed_after=since)
        live = {key.rpartition(":")[0] for key in keys}
        for id_ in ids:
            if (prefix := f"{name}:{id_}") not in live:
                outbox.enqueue(session, name, key=f"{prefix}:{stamp}", **(args | {whose: id_}))


class Turns:
    """Counts slices; when the turn is over the rest waits behind the others' jobs."""

    def __init__(self, most: int = SLICES) -> None:
        self.left = most

    def next(self) -> None:
        if self.left == 0:
            raise Later(0)
        self.left -= 1
