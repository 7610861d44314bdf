"""Staff work in the chat: each command, who may, and that nothing is done twice."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from core.lockouts import Lockout
from coupons import codes
from coupons.models import Coupon, CouponState, CouponTemplate
from crm.campaigns import approvals
from crm.campaigns.thresholds import Size
from crm.models import Campaign, CampaignState, Member
from merchants.models import Role, Staff
from messaging.models import Conversation, Dialogue
from official_account.commands import read
from people import phones
from people.models import Person
from sandbox import acts
from sandbox.demo_config import OFFICIAL
from tests.factories.campaigns import make_campaign
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_person
from tests.official_account.conftest import TeaShop
from tests.official_account.test_talking import _publish, make_clerk

WHO = "xiaozhou"


@pytest.fixture
def staffed(tea: TeaShop) -> TeaShop:
    make_clerk(tea)
    return tea


def become(role: Role) -> None:
    with transaction() as session:
        session.execute(update(Staff).values(role=role))


def say(tea: TeaShop, text: str, who: str = WHO) -> str:
    tea.shop.say(who, text)
    return str(tea.shop.chat(who)[-1]["text"])


def member(tea: TeaShop, name: str, phone: str) -> Member:
    with transaction() as session:
        person = make_person(session, nickname=name)
        phones.attach(session, person, phone, clock.now())
        return make_member(session, merchant=tea.merchant, person=person, name=name)


def acts_of_staff() -> list[str]:
    with reading() as session:
        found = select(AuditEntry.action).where(AuditEntry.actor.startswith("staff:"))
        return [
            act for act in session.scalars(found.order_by(AuditEntry.id)) if act != "staff.joined"
        ]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("今日", ("今日", "")),
        (" 查 3097 ", ("查", "3097")),
        ("查3097", ("查", "3097")),
        ("核销 LL1.ABC.12.xy-z_", ("核销", "LL1.ABC.12.xy-z_")),
        ("不同意 A1B2C3", ("不同意", "A1B2C3")),
        ("算了", ("取消", "")),
        ("2", ("number", "2")),
        ("发券 回店", ("发券", "回店")),
        ("发券给我吧", None),
        ("今日有什么优惠", None),
        ("查一下我的券", None),
        ("你好", None),
        ("1" * 12, None),
        ("核" * 300, None),
    ],
)
def test_what_is_a_command(said: str, meant: Any) -> None:
    assert read(said) == meant


def test_a_customer_who_says_the_words_is_answered_like_anybody(tea: TeaShop) -> None:
    tea.shop.follow("aqing")
    tea.shop.drain()

    for words in ("今日", "发券", "查 3097", "确认", "1"):
        assert say(tea, words, "aqing") == "收到啦"
    with reading() as session:
        assert session.scalars(select(Dialogue)).all() == []


def test_today_tells_a_clerk_the_orders_and_a_manager_the_money(staffed: TeaShop) -> None:
    clerk = say(staffed, "今日")
    become(Role.manager)
    manager = say(staffed, "今天")

    assert clerk.startswith("今天 0 单\n没有等着接的单")
    assert "¥" not in clerk
    assert manager.startswith("今天 0 单，实收 ¥0.00\n新会员")


def test_a_clerk_may_not_look_members_up(staffed: TeaShop) -> None:
    member(staffed, "林小满", "13812343097")

    assert say(staffed, "查 3097") == "你的账号不能做这件事，请找店长或店主。"
    assert acts_of_staff() == ["chat.refused"]
    with reading() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "chat.refused"))
    assert entry.after == {"command": "查", "by": "chat"}  # the word alone: no digits of anybody
    assert entry.reason == "你的账号不能做这件事，请找店长或店主。"


def test_a_member_is_found_by_the_end_of_the_phone_and_it_is_on_record(staffed: TeaShop) -> None:
    become(Role.manager)
    found = member(staffed, "林小满", "13812343097")

    card = say(staffed, "查 3097")

    assert card.startswith("林小满 138****3097（")
    assert f"/console/members/{found.no}" in card.replace("%2F", "/")
    assert "13812343097" not in card
    member(staffed, "沈知夏", "13912343097")
    assert say(staffed, "查 3097").startswith("2 位会员是这个尾号")
    assert say(staffed, "查 0000").startswith("没有手机尾号 0000 的会员")
    assert say(staffed, "查") == "要找谁？发手机号后四位。"
    assert say(staffed, "3097").startswith("2 位会员是这个尾号")
    assert acts_of_staff() == ["member.looked_up"] * 4


def test_a_name_that_would_be_a_link_is_only_a_name(staffed: TeaShop) -> None:
    become(Role.manager)
    name = '<a href="https://evil.example/c">看这位会员 →</a>'
    member(staffed, name, "13812343097")

    told = say(staffed, "查 3097")

    assert told.count("<a ") == 1
    assert "evil.example" not in told
    harmless = '＜a href="https：／／evil．example/c"＞看这位会员 →＜/a＞'
    assert told.startswith(f"{harmless} 138****3097")
    assert told.splitlines()[-1].startswith('<a href="')
    say(staffed, "发券")
    say(staffed, "1")
    agree = say(staffed, "3097")
    assert agree.endswith("回复「确认」或「取消」。")
    assert "<" not in agree
    assert "<" not in say(staffed, "确认")


def test_a_number_that_moves_to_somebody_else_is_found_with_them(staffed: TeaShop) -> None:
    become(Role.manager)
    first = member(staffed, "老机主", "13812343097")
    with transaction() as session:
        person = session.get_one(Person, first.person_id)
        person.phone = person.phone_hash = None

    assert say(staffed, "查 3097").startswith("没有手机尾号")


def test_a_coupon_is_chosen_named_agreed_to_and_given_once(staffed: TeaShop) -> None:
    become(Role.manager)
    mine = member(staffed, "林小满", "13812343097")
    with transaction() as session:
        make_template(session, staffed.merchant, name="老客回店券")

    assert say(staffed, "发券").startswith("发哪一张？回复数字：\n1. 老客回店券\n2. 新人 8 元券")
    assert say(staffed, "9") == "在 1 到 2 里选一个。"
    assert say(staffed, "1") == "发给谁？回复手机号后四位。"
    assert say(staffed, "3097").startswith("给 林小满 138****3097 发「老客回店券」")
    assert say(staffed, "好的") == "收到啦"  # small talk changes nothing
    assert say(staffed, "确认") == "发好了，「老客回店券」在林小满的券包里。"
    assert say(staffed, "确认") == "收到啦"  # nothing is asked any more

    with reading() as session:
        [coupon] = session.scalars(select(Coupon).where(Coupon.member_id == mine.id))
        assert coupon.source.startswith("staff:")
    assert acts_of_staff() == ["coupon.give"]


def test_what_was_asked_is_forgotten_after_five_minutes_or_by_a_word(staffed: TeaShop) -> None:
    become(Role.manager)
    say(staffed, "发券")
    assert say(staffed, "算了") == "好，不做了。"
    assert say(staffed, "1") == "收到啦"
    say(staffed, "发券")
    with transaction() as session:
        session.execute(update(Dialogue).values(expires_at=clock.now() - timedelta(seconds=1)))
    assert say(staffed, "1") == "收到啦"


def test_a_coupon_that_is_used_up_is_refused_and_nothing_is_given(staffed: TeaShop) -> None:
    become(Role.manager)
    mine = member(staffed, "林小满", "13812343097")
    say(staffed, "发券")
    say(staffed, "1")
    say(staffed, "3097")
    with transaction() as session:
        session.execute(update(CouponTemplate).values(total_limit=0))

    assert say(staffed, "确认") == "「新人 8 元券」已经领完了"
    with reading() as session:
        assert session.scalars(select(Coupon).where(Coupon.member_id == mine.id)).all() == []
    assert acts_of_staff() == ["chat.refused"]


def test_of_many_coupons_those_given_most_come_first_and_a_name_finds_the_rest(
    staffed: TeaShop,
) -> None:
    become(Role.manager)
    with transaction() as session:
        for number in range(10):
            make_template(session, staffed.merchant, name=f"第 {number} 券")
        often = make_template(session, staffed.merchant, name="老客回店券")
        often.issued_count = 7

    first = say(staffed, "发券").splitlines()
    assert (first[1], first[2]) == ("1. 老客回店券", "2. 第 9 券")
    assert first[-2:] == ["10. 更多（还有 3 张）", "也可以发「发券 名字里的字」"]
    second = say(staffed, "10").splitlines()
    assert second[1:4] == ["1. 第 1 券", "2. 第 0 券", "3. 新人 8 元券"]
    assert second[4] == "4. 从头看"
    assert say(staffed, "4").splitlines() == first
    assert say(staffed, "11") == "在 1 到 9 里选一个。"
    say(staffed, "10")
    assert say(staffed, "2") == "发给谁？回复手机号后四位。"
    assert say(staffed, "发券 回店") == "「老客回店券」。发给谁？回复手机号后四位。"
    assert say(staffed, "发券 第").splitlines()[1:3] == ["1. 第 9 券", "2. 第 8 券"]
    assert say(staffed, "发券 %").startswith("没有名字里有「%」的券在发。")


def test_what_staff_command_waits_for_nobody(staffed: TeaShop) -> None:
    say(staffed, "今日")
    say(staffed, "核销 AAAA0000")
    with reading() as session:
        assert session.scalars(select(Conversation)).all() == []

    say(staffed, "空调坏了，谁来看一下")
    staffed.shop.drain()
    say(staffed, "今日")
    with reading() as session:
        [waiting] = session.scalars(select(Conversation))
        assert (waiting.unread, waiting.last_text) == (1, "空调坏了，谁来看一下")
        assert waiting.waiting_since is not None


def test_an_old_rotating_code_is_no_guess(staffed: TeaShop) -> None:
    mine = member(staffed, "林小满", "13812343097")
    with transaction() as session:
        template = session.get_one(CouponTemplate, staffed.template.id)
        coupon = make_coupon(session, mine, template, now=clock.now())
    old, _ = codes.rotating(coupon.code, clock.now() - timedelta(minutes=10))

    assert [say(staffed, f"核销 {old}") for _ in range(11)] == [
        "这个码过期了，请顾客换一个新码"
    ] * 11
    with reading() as session:
        assert session.scalars(select(Lockout)).all() == []
    assert "在静安寺店核销？" in say(staffed, f"核销 {coupon.code}")


def test_a_code_is_looked_at_agreed_to_and_redeemed_once(staffed: TeaShop) -> None:
    mine = member(staffed, "林小满", "13812343097")
    with transaction() as session:
        template = session.get_one(CouponTemplate, staffed.template.id)
        coupon = make_coupon(session, mine, template, now=clock.now())

    seen = say(staffed, f"核销 {coupon.code}")
    assert "这不是刚生成的码，看看是不是截图，是不是本人。" in seen
    assert "在静安寺店核销？回复「确认」或「取消」。" in seen
    assert say(staffed, "确认").startswith("核销好了")
    assert say(staffed, "确认") == "收到啦"

    with reading() as session:
        used = session.get_one(Coupon, coupon.id)
        assert (used.state, used.store_id) == (CouponState.redeemed, staffed.store.id)
    assert "用过了" in say(staffed, f"核销 {coupon.code}")
    assert acts_of_staff() == ["coupon.redeem"]


def test_a_fresh_code_needs_no_warning_and_lasts_as_long_as_the_question(
    staffed: TeaShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = member(staffed, "林小满", "13812343097")
    with transaction() as session:
        template = session.get_one(CouponTemplate, staffed.template.id)
        coupon = make_coupon(session, mine, template, now=clock.now())
    token, _ = codes.rotating(coupon.code, clock.now())

    seen = say(staffed, f"核销 {token}")
    monkeypatch.setattr(codes, "_accepted", lambda now, slack: range(0))  # two minutes later

    assert "在静安寺店核销？回复「确认」或「取消」。" in seen
    assert "截图" not in seen
    assert say(staffed, "确认").startswith("核销好了")
    with reading() as session:
        assert session.get_one(Coupon, coupon.id).state is CouponState.redeemed


def test_wrong_codes_lock_the_clerk_out_as_at_the_counter(staffed: TeaShop) -> None:
    said = [say(staffed, f"核销 AAAA{number:04}") for number in range(11)]

    assert said[0] == "没有这张券，看看有没有输错"
    assert said[-1] == "错的次数太多，先歇一会儿"


def test_a_campaign_gets_an_owners_word_once(staffed: TeaShop) -> None:
    become(Role.owner)
    with transaction() as session:
        campaign = make_campaign(session, approved=False, now=clock.now())
        campaign.merchant_id = staffed.merchant.id
        size = Size(people=1_980, cost_fen=84_000)
        asked = approvals.request(session, campaign, size, actor="staff:999", now=clock.now())

    told = say(staffed, "活动")
    assert "发给 1,980 人，最多花 ¥840.00" in told
    assert f"同意 {asked.code}" in told
    assert say(staffed, f"同意 {asked.code}").startswith("同意了「冬季回店」")
    assert say(staffed, f"同意 {asked.code}") == "这个审核已经处理过了"
    assert say(staffed, "不同意 ZZZZZZ") == "没有这个审核"

    with reading() as session:
        assert session.get_one(Campaign, campaign.id).state is CampaignState.approved
    told = [act for act in acts_of_staff() if act.startswith("chat.")]
    assert told == ["chat.campaigns", "chat.refunds", "chat.refused", "chat.refused"]
    become(Role.manager)
    assert say(staffed, f"同意 {asked.code}") == "你的账号不能做这件事，请找店长或店主。"


def test_help_names_what_the_role_may(staffed: TeaShop) -> None:
    clerk = say(staffed, "帮助")
    become(Role.owner)
    owner = say(staffed, "帮助")

    assert ("核销" in clerk, "发券" in clerk, "活动" in clerk) == (True, False, False)
    assert owner.count("\n") == 6
    assert "笔退款" in say(staffed, "退款") or "没有在路上的退款" in say(staffed, "退款")


def test_a_tap_on_the_menu_is_the_same_command(staffed: TeaShop) -> None:
    _publish(staffed)
    account = staffed.shop.world.settings.accounts[OFFICIAL]

    acts.tap(staffed.shop.world, staffed.shop.person(WHO), account, [2, 0])

    assert staffed.shop.chat(WHO)[-1]["text"].startswith("今天 0 单")


def test_a_repetition_of_the_same_message_is_answered_the_same_and_done_once(
    staffed: TeaShop,
) -> None:
    become(Role.manager)
    mine = member(staffed, "林小满", "13812343097")
    for text in ("发券", "1", "3097"):
        say(staffed, text)
    staffed.shop.fault(api="official.push", kind="duplicate", times=1)

    say(staffed, "确认")

    with reading() as session:
        given = session.scalars(select(Coupon).where(Coupon.member_id == mine.id)).all()
    assert len(given) == 1
    assert acts_of_staff() == ["coupon.give"]
