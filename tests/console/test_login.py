"""Who gets in, and what a session is."""

from sqlalchemy import func, select

from core.audit import AuditEntry
from core.database import reading
from orders.models import OrderState
from payments.models import Refund
from people.models import LoginSession
from tests.console.conftest import PASSWORD, Chain


def test_a_stranger_is_sent_to_the_log_in_and_back(chain: Chain) -> None:
    browser = chain.browser()

    asked = browser.get("/members/?q=林")
    entered = browser.post(
        "/login", at="/login", username="owner", password=PASSWORD, next="/console/members/?q=林"
    )

    assert (asked.status_code, asked.location) == (
        303,
        "/console/login?next=/console/members/?q%3D%E6%9E%97",
    )
    assert entered.status_code == 303
    assert entered.location == "/console/members/?q=%E6%9E%97"
    assert browser.get("/members/").status_code == 200


def test_a_wrong_password_is_refused_beside_its_field(chain: Chain) -> None:
    answer = chain.browser().post("/login", at="/login", username="owner", password="wrong")

    assert answer.status_code == 422
    assert "账号或密码不对" in answer.text
    assert "wrong" not in answer.text
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(LoginSession)) == 0


def test_a_stranger_cannot_lock_the_owner_out(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    owner, stranger, elsewhere = chain.browser("owner"), chain.browser(), chain.browser()
    elsewhere.client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    for _ in range(12):
        stranger.log_in("owner", "wrong")

    refused = stranger.log_in("owner")
    form = {"amount": "1", "reason": "其他", "key": "k1", "password": PASSWORD}
    refund = owner.post(f"/orders/{order.no}/refund", **form)

    assert (refused.status_code, refund.status_code) == (429, 303)
    assert elsewhere.log_in("owner").status_code == 303


def test_a_guesser_in_a_live_session_is_locked_and_the_log_in_stays_open(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    thief = chain.browser("owner")
    form = {"amount": "1", "reason": "其他", "key": "k1"}
    for _ in range(10):
        thief.post(f"/orders/{order.no}/refund", **form, password="wrong")

    refused = thief.post(f"/orders/{order.no}/refund", **form, password=PASSWORD)

    assert refused.status_code == 422
    assert "错的次数太多" in refused.text
    assert chain.browser().log_in("owner").status_code == 303
    with reading() as session:
        assert session.scalars(select(Refund.id)).all() == []


def test_ten_wrong_passwords_lock_the_name(chain: Chain) -> None:
    browser = chain.browser()
    for _ in range(10):
        browser.post("/login", at="/login", username="owner", password="wrong")

    answer = browser.log_in("owner")

    assert answer.status_code == 429
    assert 290 < int(answer.headers["Retry-After"]) <= 301
    assert "错的次数太多，5 分钟后再试" in answer.text or "6 分钟后再试" in answer.text


def test_the_session_cookie_is_locked_away_and_new_at_each_log_in(chain: Chain) -> None:
    browser = chain.browser()
    browser.get("/login")
    first = browser.log_in("owner").headers.getlist("Set-Cookie")
    again = chain.browser().log_in("owner").headers.getlist("Set-Cookie")

    cookie = next(text for text in first if text.startswith("linli_staff="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/console" in cookie
    assert any(text.startswith("linli_visit=;") for text in first)
    assert cookie.split(";")[0] not in " ".join(again)


def test_log_out_ends_the_session_for_every_copy_of_the_cookie(chain: Chain) -> None:
    browser = chain.browser("owner")
    stolen = browser.client.get_cookie("linli_staff", path="/console")
    assert stolen is not None

    browser.post("/logout")

    thief = chain.browser()
    thief.client.set_cookie("linli_staff", stolen.value, path="/console")
    assert thief.get("/more").status_code == 303


def test_a_log_in_is_on_the_record(chain: Chain) -> None:
    chain.browser().log_in("clerk")

    with reading() as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.action) == (f"staff:{chain.clerk.id}", "staff.logged_in")


def test_nobody_is_sent_to_another_host(chain: Chain) -> None:
    for to in ("https://evil.example/", "//evil.example/console/", "/console/\\evil", "/api/v1/me"):
        answer = chain.browser().post(
            "/login", at="/login", username="owner", password=PASSWORD, next=to
        )
        assert answer.location == "/console/"


def test_each_role_begins_where_its_work_is(chain: Chain) -> None:
    assert chain.browser("owner").get("/").location == "/console/home"
    assert chain.browser("clerk").get("/").location == "/console/orders/"
