"""A server whose clock is wrong refuses notices, and is paid once when it is mended."""

from pathlib import Path

import pytest

from orders.models import PaymentState
from payments.models import AttemptState
from tests.faults.world import World, attempts_of, get_order, postings_of, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]


@pytest.mark.parametrize("seconds", [600, -600])
def test_notices_are_refused_until_the_clock_is_mended(
    world: World, seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = world.guest(f"孙钟{seconds}")
    no = guest.order(world.cup(guest))["no"]
    sheet = guest.open_sheet(no)
    (attempt,) = attempts_of(no)
    world.tree.kill("worker-1")  # nobody asks the channel
    world.kill_web()
    wrong = tmp_path / "clock"
    wrong.write_text(str(world.sandbox.get("clock")["offset_seconds"] + seconds))
    with monkeypatch.context() as environment:
        environment.setenv("LINLI_APP__CLOCK_FILE", str(wrong))
        world.tree.start_web()

    guest.act("pay", appid=guest.mini, **sheet)

    def answers() -> list[int]:
        (notice,) = world.notices_of(attempt.out_trade_no, "TRANSACTION.SUCCESS")
        return list(notice["statuses"])

    assert wait(answers, "the notice") == [403]
    assert get_order(no).payment_state is PaymentState.unpaid

    world.kill_web()
    world.tree.start_web()
    world.sandbox.advance(16)
    wait(lambda: get_order(no).payment_state is PaymentState.paid, "the order to be paid")
    assert wait(lambda: answers()[1:], "the second answer") == [204]
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.succeeded
    assert postings_of(get_order(no)) == {f"payment:{attempt.id}": 0}
