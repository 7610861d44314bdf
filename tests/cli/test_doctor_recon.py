"""The doctor says up to which day every account was matched."""

from datetime import timedelta

from cli.doctor_recon import check_recon
from core import clock
from core.config import current_config
from core.database import transaction
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import days
from tests.payments.conftest import MCHID
from tests.wechat_world import Shop


def told() -> dict[str, str]:
    return {one.what: one.level for one in check_recon(current_config())}


def put(account: str, back: int, state: StatementState) -> None:
    now = clock.now()
    channel = "wechat" if account == MCHID else "alipay"
    with transaction() as session:
        session.add(
            StatementDay(
                channel=channel,
                account=account,
                day=days.newest_ready(now) - timedelta(days=back),
                kind=StatementKind.trade,
                state=state,
            )
        )


def test_the_last_matched_day_of_each_account_is_named(shop: Shop) -> None:
    newest = days.newest_ready(clock.now())
    before = told()
    assert set(before.values()) == {"ok"}
    assert f"微信支付 {MCHID} 还没到第一次对账，每天十点后核前一天" in before

    put(MCHID, 1, StatementState.differs)
    put(MCHID, 0, StatementState.wanted)
    late = told()
    assert late[f"微信支付 {MCHID} 对账到 {newest - timedelta(days=1):%Y-%m-%d}"] == "ok"

    put(MCHID, 3, StatementState.matched)
    assert told() == late


def test_an_account_that_fell_behind_is_a_warning(shop: Shop) -> None:
    newest = days.newest_ready(clock.now())
    put(MCHID, 4, StatementState.wanted)
    name = f"微信支付 {MCHID}"
    begun = newest - timedelta(days=4)
    assert told()[f"{name} 的账单一天都没核成，{begun:%Y-%m-%d} 起"] == "warn"

    put(MCHID, 3, StatementState.matched)
    assert told()[f"{name} 只对账到 {newest - timedelta(days=3):%Y-%m-%d}"] == "warn"
