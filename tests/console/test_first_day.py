"""A merchant on the first day is told what to do, not what is missing."""

from merchants.models import Merchant
from tests.console.conftest import Chain
from tests.factories.coupons import make_template

STEPS = ("贴关注码", "建券", "邀请店员")


def steps(page: str) -> str:
    return page.split('id="first-steps"')[1].split("</section>")[0]


def test_the_day_begins_with_three_steps_and_without_empty_charts(chain: Chain) -> None:
    page = chain.browser("owner").get("/home").text

    assert [step in steps(page) for step in STEPS] == [True] * 3
    assert steps(page).count("做好了") == 1  # the chain has its staff already
    assert 'href="/console/coupons/new"' in steps(page)
    assert 'href="/console/stores/invites/new"' in steps(page)
    for empty in ("c-hours", "近 7 天实收", "优惠成本", "活动增量"):
        assert empty not in page


def test_what_was_done_is_ticked_off(chain: Chain) -> None:
    chain.member()
    with chain.writing() as session:
        make_template(session, session.get_one(Merchant, chain.merchant_id))

    assert steps(chain.browser("owner").get("/home").text).count("做好了") == 3


def test_who_may_not_invite_is_not_told_to(chain: Chain) -> None:
    shown = steps(chain.browser("manager").get("/home").text)

    assert "贴关注码" in shown
    assert "邀请店员" not in shown


def test_the_first_paid_order_brings_the_figures(chain: Chain) -> None:
    chain.order(chain.rival_store)
    assert "first-steps" in chain.browser("owner").get("/home").text

    chain.order()
    page = chain.browser("owner").get("/home").text

    assert "first-steps" not in page
    assert "c-hours" in page
    assert "近 7 天实收" in page


def test_no_members_is_not_no_match(chain: Chain) -> None:
    owner = chain.browser("owner")

    none = owner.get("/members/").text
    unfound = owner.get("/members/?q=林").text
    chain.member()
    some = owner.get("/members/").text

    assert "还没有会员" in none
    assert '<a class="btn btn-primary" href="/console/stores/">打印关注码</a>' in none
    assert "没有符合的会员" not in none
    assert "没有符合的会员" in unfound
    assert "还没有会员" not in unfound
    assert "还没有会员" not in some


def test_an_empty_list_has_one_filled_button(chain: Chain) -> None:
    owner = chain.browser("owner")

    for path, words in (("/campaigns/", "新建活动"), ("/coupons/", "新建")):
        page = owner.get(path).text
        assert page.count("btn-primary") == 1, path
        assert words in page
    filtered = owner.get("/campaigns/?state=draft").text
    assert "没有这样的活动" in filtered
    assert 'aria-label="状态"' in filtered


def test_a_row_of_a_member_is_one_link(chain: Chain) -> None:
    member = chain.member("林小满")

    page = chain.browser("owner").get("/members/").text

    link = page.split(f'<a class="row-x person" href="/console/members/{member.no}">')[1]
    assert "林小满" in link.split("</a>")[0]
    assert member.no in link.split("</a>")[0]


def test_the_sample_of_a_segment_is_cards_on_a_phone(chain: Chain) -> None:
    chain.member("林小满")

    page = chain.browser("owner").touch("/segments/preview", **{"0.op": "all", "do": "count"}).text

    assert '<table class="table table-dense cards">' in page
    assert 'data-label="上次到店"' in page
