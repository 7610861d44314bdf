"""会员体系: what the pages of tiers say and do."""

from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading
from crm import tiers
from crm.models import Loyalty, Member
from tests.console.conftest import Chain
from tests.working import run_inline

FORM = {
    "measure": "spent",
    "window": "0",
    "term": "0",
    "grace": "",
    "fall": "one_step",
    "existing": "all",
    "code_0": "green_leaf",
    "name_0": "青叶",
    "threshold_0": "0",
    "rate_0": "1",
    "birthday_0": "",
    "benefits_0": "",
    "code_1": "",
    "name_1": "常客",
    "threshold_1": "88.50",
    "rate_1": "1.5",
    "birthday_1": "",
    "benefits_1": "新品先喝",
}


def test_movers_are_counted_before_and_moved_after_saving(chain: Chain) -> None:
    chain.member(spent_fen=8_850)
    chain.member(spent_fen=8_849)
    owner = chain.browser("owner")

    said = owner.touch("/loyalty/tiers/preview", **FORM).text
    assert "人会升级" in said
    assert "升到 常客" in said
    with reading() as session:
        assert session.scalar(select(Loyalty.id)) is None

    assert owner.post("/loyalty/tiers/", **FORM).status_code == 303
    run_inline("crm.reweigh_tiers", merchant_id=chain.merchant_id, may_fall=True)

    with reading() as session:
        steps = tiers.load(session, chain.merchant_id).steps
        assert [(step.name, step.threshold, step.points_bp) for step in steps] == [
            ("常客", 8_850, 15_000),
            ("青叶", 0, 10_000),
        ]
        found = session.scalars(select(Member.tier).where(Member.spent_fen >= 8_849))
        assert sorted(found) == sorted([steps[0].code, "green_leaf"])
        assert (
            session.scalar(select(AuditEntry.actor).where(AuditEntry.action == "loyalty.tiers"))
            == f"staff:{chain.owner.id}"
        )
    page = owner.get("/loyalty/tiers/").text
    assert 'value="88.50"' in page
    assert "常客" in owner.get("/audit/").text or "改会员等级" in owner.get("/audit/").text


def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_saved(chain: Chain) -> None:
    owner = chain.browser("owner")

    page = owner.post("/loyalty/tiers/", **{**FORM, "threshold_1": "0", "rate_1": "x"})

    assert page.status_code == 422
    assert "0 到 10 倍之间" in page.text
    with reading() as session:
        assert session.scalar(select(Loyalty.id)) is None


def test_a_manager_sees_the_tiers_and_changes_none(chain: Chain) -> None:
    manager = chain.browser("manager")

    assert manager.get("/loyalty/tiers/").status_code == 200
    assert manager.post("/loyalty/tiers/", **FORM).status_code == 403
