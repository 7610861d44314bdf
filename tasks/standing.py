"""What stands still in the official account's rooms: taken up, or ended with a word of why."""

from datetime import timedelta

from core import clock
from core.outbox import enqueue
from messaging import scenes, sending, syncing
from messaging.broadcasts import queries
from messaging.materials import shelf
from messaging.menus import versions
from tasks.registry import Run, job

TOO_LATE = timedelta(hours=1)
AGAIN_SECONDS = 1_800


@job("messaging.sweep_standing")
def sweep_standing(run: Run) -> None:
    """A job that died for good leaves no state behind that nobody can leave."""
    now = clock.now()
    with run.transaction() as session:
        versions.settle_stuck(session, now=now)
        shelf.settle_cut_off(session, now=now)
        sending.give_up_talk(session, before=now - TOO_LATE, now=now)
    with run.finish() as session:
        syncing.take_up(session, now=now)
        scenes.ask_again(session, now=now)
        for broadcast_id in queries.list_stuck(session, now=now):
            key = (
                f"messaging.broadcast_gather:{broadcast_id}:{int(now.timestamp()) // AGAIN_SECONDS}"
            )
            enqueue(session, "messaging.broadcast_gather", key=key, broadcast_id=broadcast_id)
