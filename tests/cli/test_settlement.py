"""Terms are agreed on from the shell; the doctor names money that comes in on a shared account."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import select

from cli.doctor_settlement import check_settlement
from core.config import Config, current_config
from core.database import reading, transaction
from payments.models import CouponTerms, SettlementTerms, SharingReceiver
from tests.factories.coupons import make_template
from tests.factories.merchants import make_merchant
from tests.tables import running


def test_terms_are_agreed_and_a_past_day_is_refused(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        template_id = make_template(session, merchant).id
    shell = app.test_cli_runner()

    past = shell.invoke(
        args=["settlement-terms", "qinghe", "--since", "2020-01-01", "--commission", "0.6"]
    )
    alone = shell.invoke(args=["settlement-terms", "qinghe", "--platform", "邻里科技有限公司"])
    assert (past.exit_code, alone.exit_code) == (1, 1)
    with reading() as session:
        assert session.scalars(select(SettlementTerms)).all() == []

    made = shell.invoke(
        args=["settlement-terms", "qinghe", "--commission", "0.6", "--coupons", "40"]
    )
    borne = shell.invoke(args=["coupon-terms", str(template_id), "100"])

    assert (made.exit_code, borne.exit_code) == (0, 0), (made.output, borne.output)
    with reading() as session:
        [agreed] = session.scalars(select(SettlementTerms)).all()
        assert (agreed.commission_bp, agreed.coupon_platform_bp) == (60, 4_000)
        assert session.get_one(CouponTerms, template_id).platform_bp == 10_000
        assert session.scalars(select(SharingReceiver)).all() == []


def test_the_doctor_names_merchants_whose_money_is_collected_together(
    make_config: Callable[..., Config], tmp_path: Any
) -> None:
    (tmp_path / "key.pem").write_text("-")
    account = {
        "mchid": "1900000001",
        "serial_no": "5157F09EFDC096DE",
        "private_key_path": str(tmp_path / "key.pem"),
        "api_v3_key": "0" * 32,
    }
    with running(make_config(wechat={"pay_merchants": [account]})):
        with transaction() as session:
            make_merchant(session, name="甲")
        assert [one.level for one in check_settlement(current_config())] == []
        with transaction() as session:
            make_merchant(session, name="乙")

        [finding] = check_settlement(current_config())

    assert finding.level == "fail"
    assert "甲、乙" in finding.what
