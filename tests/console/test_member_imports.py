"""The owner brings the members of another system over: looks first, proves themselves, is told."""

import io

from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from crm import contacts
from crm.models import ImportState, Member, MemberImport
from tests.console.conftest import PASSWORD, Browser, Chain
from tests.working import run_inline

LINES = (
    "手机号,姓名,积分,储值余额,营销消息,来自",
    "13800000001,林小满,120,200,接受,有赞",
    "+86 138 0000 000x,错的,5,,,",
    "13800000002,乔安,,,,有赞",
)


def upload(browser: Browser, text: str, encoding: str = "utf-8") -> TestResponse:
    given = {"file": (io.BytesIO(text.encode(encoding)), "有赞会员.csv")}
    fields = {**given, "csrf_token": browser.token("/members/imports/")}
    return browser.client.post(
        "/console/members/imports/", data=fields, content_type="multipart/form-data"
    )


def members(chain: Chain) -> int:
    mine = Member.merchant_id == chain.merchant_id
    with reading() as session:
        return session.scalar(select(func.count()).select_from(Member).where(mine)) or 0


def test_a_file_is_looked_at_then_brought_over_by_a_job(chain: Chain) -> None:
    owner = chain.browser("owner")

    looked = upload(owner, "\n".join(LINES))
    here = looked.location.removeprefix("/console")
    page = owner.get(here).text

    for text in ("有赞会员.csv", "还没导入", "¥200.00", "120 分", "不导入的列：来自", "手机号不对"):
        assert text in page
    assert "现在还不能用余额付商品的钱" in page
    assert "13800000001" not in page
    assert members(chain) == 0
    refused = owner.post(f"{here}/start")
    assert refused.status_code == 422
    assert "输入你的登录密码" in refused.text

    assert owner.post(f"{here}/start", password=PASSWORD).status_code == 303
    with reading() as session:
        found = session.scalars(select(MemberImport)).one()
        assert (found.state, found.started_by) == (ImportState.running, f"staff:{chain.owner.id}")
    run_inline("crm.import_members", import_id=found.id)

    page = owner.get(here).text
    for text in ("导入完了", "2 / 2", "已经是会员"):
        assert text in page
    assert members(chain) == 2
    assert upload(owner, "\n".join(LINES)).location.endswith(here)  # the same file again
    with reading() as session:
        acts = select(AuditEntry.action, AuditEntry.after).order_by(AuditEntry.id)
        told = dict(session.execute(acts.where(AuditEntry.action.like("members.import%"))).all())
    assert told["members.import"] == {
        "name": "有赞会员.csv",
        "people": 2,
        "points": 120,
        "principal_fen": 20_000,
        "bonus_fen": 0,
        "allowed": 1,
        "proved_again": True,
    }
    assert told["members.imported"] == {"name": "有赞会员.csv", "people": 2, "faulty": 1}


def test_the_wrong_lines_come_back_as_they_were_and_can_be_mended(chain: Chain) -> None:
    owner = chain.browser("owner")
    here = upload(owner, "\n".join(LINES), "gb18030").location.removeprefix("/console")

    given = owner.get(f"{here}/faults")

    assert given.headers["Content-Disposition"] == "attachment; filename=members-faults.csv"
    lines = given.text.removeprefix("\ufeff").splitlines()
    assert lines == [f"{LINES[0]},问题", "'+86 138 0000 000x,错的,5,,,,手机号不对"]
    mended = "\n".join(lines).replace("000x", "0003")
    again = owner.get(upload(owner, mended).location.removeprefix("/console")).text
    assert "导入 1 人" in again
    assert "不导入的列：来自、问题" in again


def test_a_file_that_was_only_looked_at_is_thrown_away(chain: Chain) -> None:
    owner = chain.browser("owner")
    here = upload(owner, "\n".join(LINES)).location.removeprefix("/console")

    assert owner.post(f"{here}/drop").status_code == 303

    assert owner.get(here).status_code == 404
    assert members(chain) == 0


def test_a_file_without_phones_says_so(chain: Chain) -> None:
    refused = upload(chain.browser("owner"), "姓名,积分\n林,5")

    assert refused.status_code == 422
    assert "里面要有一列「手机号」" in refused.text


def test_what_gives_much_is_started_by_another_owner_and_can_be_stopped(chain: Chain) -> None:
    owner, me = chain.browser("owner"), f"staff:{chain.owner.id}"
    with transaction() as session:
        limit = {"approval_fen": 10_000, "actor": me, "now": clock.now()}
        contacts.set_rules(session, chain.merchant_id, **limit)
    here = upload(owner, "\n".join(LINES)).location.removeprefix("/console")

    page = owner.get(here).text
    assert "超过 ¥100.00，要另一位店主来这页点导入。" in page
    assert f"{here}/start" not in page
    assert owner.post(f"{here}/start", password=PASSWORD).status_code == 409
    assert members(chain) == 0

    with transaction() as session:
        session.execute(update(MemberImport).values(created_by="staff:0"))  # another's file
    assert owner.post(f"{here}/start", password=PASSWORD).status_code == 303
    assert f"{here}/stop" in owner.get(here).text
    assert owner.post(f"{here}/stop").status_code == 303
    page = owner.get(here).text
    assert "停下了" in page
    assert "接着导 2 人" in page
    assert members(chain) == 0


def test_another_merchants_import_is_not_there(chain: Chain) -> None:
    here = upload(chain.browser("owner"), "\n".join(LINES)).location.removeprefix("/console")

    assert chain.browser("rival").get(here).status_code == 404
    assert chain.browser("rival").post(f"{here}/start", password=PASSWORD).status_code == 404


def test_the_sample_can_be_read_back(chain: Chain) -> None:
    owner = chain.browser("owner")

    page = owner.get(upload(owner, owner.get("/members/imports/sample").text).location[8:]).text

    assert "导入 1 人" in page
    assert "1,280 分" in page
