"""One customer at the console: written down, changed, a wish noted, merges looked at."""

from sqlalchemy import select, update

from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import merging
from crm.models import Member
from people.models import Person, tail_index
from tests.console.conftest import Chain
from tests.working import run_inline


def test_somebody_at_the_counter_is_written_down_once(chain: Chain) -> None:
    manager = chain.browser("manager")
    typed = {"name": "赵姐", "phone": "138 1234 3097"}

    first = manager.post("/members/new", **typed)
    again = manager.post("/members/new", **typed)

    assert (first.status_code, again.location) == (303, first.location)
    page = manager.get(first.location.removeprefix("/console")).text
    assert "赵姐" in page
    assert "138****3097" in page
    wrong = manager.post("/members/new", name="赵姐", phone="12")
    assert (wrong.status_code, "手机号不对" in wrong.text) == (422, True)
    empty = manager.post("/members/new", name="", phone="13800000001")
    assert (empty.status_code, "名字要 1 到 20 个字" in empty.text) == (422, True)


def test_a_profile_is_changed_and_the_birthday_once_a_year(chain: Chain) -> None:
    member, manager = chain.member(), chain.browser("manager")
    at = f"/members/{member.no}/edit"

    assert manager.post(at, name="小满", birthday="1990-05-01", note="少冰").status_code == 303
    more = {"name": "小满", "note": "少冰", "gender": "female", "address": "南京西路 1 号 5 楼"}
    assert manager.post(at, **more).status_code == 303
    page = manager.get(f"/members/{member.no}").text
    assert "南京西路 1****" in page
    assert "5 楼" not in page
    assert "5 楼" in manager.get(at).text
    with reading() as session:
        seen = select(AuditEntry.actor).where(AuditEntry.action == "member.address_seen")
        assert len(session.scalars(seen).all()) == 1
    assert "5 月 1 日" in page
    assert "少冰" in page
    refused = manager.post(at, name="小满", birthday="1990-06-01", note="去冰")

    assert refused.status_code == 422
    assert "生日一年只能改一次" in refused.text
    with reading() as session:
        kept = session.get_one(Member, member.id)
        assert (str(kept.birthday), kept.note) == ("1990-05-01", "少冰")


def test_a_wish_is_noted_and_only_the_member_takes_it_back(chain: Chain) -> None:
    member, manager = chain.member(), chain.browser("manager")

    answer = manager.post(f"/members/{member.no}/refuse", what="marketing")

    assert answer.status_code == 303
    page = manager.get(f"/members/{member.no}").text
    assert "不接受营销消息" in page
    assert "店员代记" in page
    assert manager.post(f"/members/{member.no}/refuse", what="x").status_code == 409
    with reading() as session:
        assert session.get_one(Member, member.id).marketing_consent is False


def test_a_merge_shows_both_sides(chain: Chain) -> None:
    winner, loser = chain.member("林小满"), chain.member("小满")
    with transaction() as session:
        merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=clock_now())

    page = chain.browser("manager").get("/members/merges").text

    assert "称呼：林小满（留下） / 小满" in page
    assert loser.no in page


def test_numbers_stored_without_their_last_digits_get_them_by_a_job(chain: Chain) -> None:
    chain.browser("manager").post("/members/new", name="赵姐", phone="13812343097")
    with transaction() as session:
        session.execute(update(Person).values(phone_tail=None))

    run_inline("people.fill_tails")

    with reading() as session:
        assert session.scalars(select(Person.phone_tail)).all() == [tail_index("3097")]
