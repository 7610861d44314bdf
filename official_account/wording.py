"""The words of passive replies, in the transaction of the act; only a wrong code is counted."""

from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.names import product_names
from core import lockouts
from core.config import current_config
from core.errors import LinliError
from coupons import redemption
from coupons import words as coupon_words
from coupons.errors import CouponNotFound
from coupons.models import Coupon
from coupons.queries import find_for_moment
from crm import members
from gateways.wechat.messages import Message
from merchants.models import Merchant, Store, StoreTable
from merchants.staff import stores_of
from messaging import answers, conversations, replies, welcome
from messaging.accounts import find_owner, mini_for_official
from messaging.answers import Part
from messaging.menus import HOME, REDEEM_KEY, STAFF_KEY
from messaging.models import Scene, SceneKind
from messaging.receiving import Happened
from messaging.words import link, mini_link, plain
from official_account import commands
from official_account.commands.asking import Asker
from official_account.commands.parsing import REDEEM
from people import identities


def write_reply(
    session: Session, message: Message, happened: Happened, now: datetime
) -> list[Part]:
    """What to answer to an event in the chat; nothing: accept silently."""
    match message.event:
        case "subscribe":
            return _greeting(session, message, happened, now)
        case "scan":
            return _arrival(session, message, happened, now)
        case "click" if message.event_key.startswith(STAFF_KEY):
            return commands.tapped(session, message, now)
        case "click":
            return _answer(session, message.appid, replies.CLICK, message.event_key, now)
        case "scancode_waitmsg":
            return _in_words(_scan_result(session, message, happened, now))
    return []


def answer_words(session: Session, message: Message, now: datetime) -> list[Part]:
    """What to answer to an ordinary message: it depends on the rules, and on nobody holding it."""
    if conversations.is_quiet(session, message.appid, message.openid, now):
        return []
    return _answer(session, message.appid, replies.KEYWORD, message.text, now)


def _greeting(session: Session, message: Message, happened: Happened, now: datetime) -> list[Part]:
    staff = _staff_news(happened)
    if staff:
        return _in_words(staff)
    scene = happened.scene.code if happened.scene else ""
    own = replies.find_answer(session, message.appid, replies.WELCOME, scene, now=now)
    return own or _in_words(_our_greeting(session, message, happened))


def _our_greeting(session: Session, message: Message, happened: Happened) -> str:
    merchant = find_owner(session, message.appid)
    place = _place(session, happened.scene)
    if merchant is None and happened.scene is not None:
        merchant = session.get(Merchant, happened.scene.merchant_id)
    name = "·".join(part for part in (merchant.name if merchant else "", place) if part)
    order = _order_link(session, message, happened.scene)
    gift = merchant is not None and _gift_is_coming(session, message, merchant.id, happened.scene)
    return f"欢迎来到{name or '这里'}！{'见面礼正在放进你的券包。' if gift else ''}\n{order}"


def _gift_is_coming(
    session: Session, message: Message, merchant_id: int, scene: Scene | None
) -> bool:
    """Whether whoever follows now is given something: there is a coupon for it, and they have not
    been given theirs. It is once for ever."""
    by_code = scene is not None and scene.template_id is not None
    if not by_code and find_for_moment(session, merchant_id, "welcome") is None:
        return False
    identity = identities.find_identity(session, message.appid, message.openid)
    if identity is None:
        return True
    member = members.find(session, merchant_id=merchant_id, person_id=identity.person_id)
    key = welcome.gift_key(merchant_id, member.id) if member is not None else ""
    return session.scalar(select(Coupon.id).where(Coupon.issue_key == key)) is None


def _arrival(session: Session, message: Message, happened: Happened, now: datetime) -> list[Part]:
    staff = _staff_news(happened)
    if staff:
        return _in_words(staff)
    if happened.scene is None:
        return []
    code = happened.scene.code
    own = replies.find_answer(session, message.appid, replies.SCAN, code, now=now)
    if own:
        return own
    place = _place(session, happened.scene)
    return _in_words(f"你在{place or '门店'}。\n{_order_link(session, message, happened.scene)}")


def _staff_news(happened: Happened) -> str:
    if happened.staff is not None and happened.scene is not None:
        name = happened.staff.name
        menu = "稍后菜单会换成店员菜单：扫码核销、今日订单、店务。"
        return f"{name}，绑定成功。{menu}\n发「帮助」看能在这里做什么。"
    return happened.refusal


def _place(session: Session, scene: Scene | None) -> str:
    store = session.get(Store, scene.store_id) if scene and scene.store_id else None
    table = session.get(StoreTable, scene.table_id) if scene and scene.table_id else None
    return " ".join(each.name for each in (store, table) if each is not None)


def _order_link(session: Session, message: Message, scene: Scene | None) -> str:
    page = HOME
    if scene is not None and scene.store_id is not None:
        where = {"store_id": str(scene.store_id)}
        if scene.kind is SceneKind.table and scene.table_id is not None:
            where["table"] = session.get_one(StoreTable, scene.table_id).code
        page = f"pages/menu/menu?{urlencode(where)}"
    mini = mini_for_official(message.appid)
    base_url = current_config().app.base_url
    return mini_link("点这里点单，不用排队 →", page, mini=mini, base_url=base_url)


def _answer(session: Session, appid: str, kind: str, word: str, now: datetime) -> list[Part]:
    found = replies.find_answer(session, appid, kind, word, now=now)
    return found or replies.find_answer(session, appid, replies.DEFAULT, now=now)


def _in_words(said: str | None) -> list[Part]:
    return [answers.text(said)] if said else []


def _scan_result(
    session: Session, message: Message, happened: Happened, now: datetime
) -> str | None:
    """A clerk scanned a coupon: what it is, and a link to confirm. Nothing is redeemed here."""
    if message.event_key != REDEEM_KEY:
        return None
    if happened.staff is None:
        return "扫码核销只给店员使用。店员请先扫店长给的邀请码。"
    scanned = message.fields.get("ScanCodeInfo")
    token = scanned.get("ScanResult") if isinstance(scanned, dict) else None
    if not isinstance(token, str) or not token.strip() or len(token) > 200:
        return "没有扫到券码，请对准顾客手机上的券码再试一次。"
    asker = Asker(session, happened.staff, message.appid, message.openid, now)
    guesses = redemption.guesses_of(happened.staff.id)
    try:
        lockouts.check(session, guesses, now=now)
        seen = redemption.preview(session, token, stores_of(session, happened.staff), now)
    except CouponNotFound as refused:
        lockouts.fail(session, guesses, now=now, merchant_id=happened.staff.merchant_id)
        return asker.refused(REDEEM, refused.detail)
    except LinliError as refused:
        return asker.refused(REDEEM, refused.detail)
    what = (
        f"{plain(seen.template.name)}\n{coupon_words.face(seen.template)}"
        f" · {coupon_words.condition(seen.template)}"
    )
    if seen.template.product_ids:
        names = product_names(session, seen.template.merchant_id)
        what += f"\n{coupon_words.only(coupon_words.goods(seen.template, names))}"
    if seen.problem:
        return f"{what}\n不能核销：{plain(seen.problem)}"
    base_url = current_config().app.base_url.rstrip("/")
    url = f"{base_url}/console/redeem?{urlencode({'token': token.strip()})}"
    return f"{what}\n{link('确认核销 →', url)}"
