"""The job that says a campaign's messages: claimed in small groups, recorded as answers come."""

from core import clock
from core.database import retrying, transaction
from crm.campaigns import moving, sending
from crm.campaigns.sending import Claimed
from messaging.hands import Hands, Heard
from tasks.crm import keep_quiet
from tasks.registry import Later, Run, job

TURN = 24
"""So many answers are recorded, and so many messages claimed, in one transaction."""


@job("crm.campaign_send", queue="bulk", timeout=600)
def campaign_send(run: Run, campaign_id: int, first_id: int, last_id: int) -> None:
    """Send the chunk's messages; a pause or kill is seen before each group is claimed.

    When WeChat is busy or a quota is used up the rest comes back later. When it refuses what every
    message has in common, the campaign pauses and says what to do.
    """
    keep_quiet(campaign_id)
    with Hands() as hands:
        wait = _Chunk(campaign_id, first_id, last_id, hands).send()
    if wait:
        raise Later(wait)
    with run.finish() as session:
        moving.finish_if_done(session, campaign_id, now=clock.now())


class _Chunk:
    """Recipients from `first_id` to `last_id`: the hands never wait for the database.

    What one turn records are the answers that came since the last one; while it does so the hands
    say what an earlier turn has claimed. So no more than `sending.GROUP` are in doubt at any time.
    """

    def __init__(self, campaign_id: int, first_id: int, last_id: int, hands: Hands) -> None:
        self._campaign_id, self._first_id, self._last_id = campaign_id, first_id, last_id
        self._hands = hands
        self._people: dict[int, tuple[int, int]] = {}
        self._over = False
        self._wait = 0.0

    def send(self) -> float:
        """Seconds to wait before the rest, 0: nobody is left."""
        heard: list[Heard] = []
        broken: BaseException | None = None
        while True:
            claimed = retrying(self._turn, heard)
            if claimed is None:
                self._over = True
            else:
                ids = [each.message.id for each in claimed.ready]
                self._people.update(zip(ids, claimed.recipients, strict=True))
                self._hands.say(claimed.ready)
            if not self._hands.out and self._over:
                break
            heard = self._hands.hear(TURN)
            self._wait = max([self._wait, *(each.fate.wait for each in heard)])
            broken = broken or next((each.error for each in heard if each.error), None)
            self._over = self._over or self._wait > 0 or broken is not None
        if broken is not None:
            raise broken
        return self._wait

    def _turn(self, heard: list[Heard]) -> Claimed | None:
        """Record what was heard, claim as many more; None: nobody is left, or no more today."""
        now = clock.now()
        with transaction() as session:
            if heard:
                people = [self._people[each.ready.message.id] for each in heard]
                said = Claimed(people, [each.ready for each in heard])
                fates = [each.fate for each in heard]
                hopeless = sending.record(session, self._campaign_id, said, fates, now=now)
                if hopeless is not None:
                    moving.give_up(session, self._campaign_id, hopeless, now=now)
            if self._over:
                return None
            return sending.start(
                session,
                self._campaign_id,
                self._first_id,
                self._last_id,
                now=now,
                limit=sending.GROUP - self._hands.out,
            )
