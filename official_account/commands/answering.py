"""A command becomes an act and a few words. Whoever is not staff is not told that there are any."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from core.errors import LinliError
from gateways.wechat.messages import Message
from messaging import answers, dialogues
from messaging.answers import Part
from messaging.menus import STAFF_KEY
from messaging.receiving import Happened, find_staff
from messaging.words import plain
from official_account.commands import deciding, figures, giving, looking, redeeming, refunding
from official_account.commands.asking import Asker
from official_account.commands.parsing import (
    AGREE,
    AGREE_REFUND,
    ANSWERS,
    CAMPAIGNS,
    FIND,
    GIVE,
    HELP,
    NO,
    REDEEM,
    REFUNDS,
    REFUSE,
    REFUSE_REFUND,
    TODAY,
    Command,
    read,
)

NOT_YOURS = "你的账号不能做这件事，请找店长或店主。"
OVER = "没有等着你回答的事，或者过了五分钟。发「帮助」看能做什么。"
NOT_STAFF = "这里只给店员使用。店员请先扫店长给的邀请码。"

Verb = Callable[[Asker, str], str]

VERBS: dict[str, tuple[str, Verb]] = {
    TODAY: ("", figures.today),
    FIND: ("members.view", looking.find),
    GIVE: ("coupons.issue", giving.begin),
    REDEEM: ("coupons.redeem", redeeming.begin),
    CAMPAIGNS: ("campaigns.launch", deciding.waiting),
    REFUNDS: ("orders.refund", refunding.waiting),
    AGREE_REFUND: ("orders.refund", refunding.agree),
    REFUSE_REFUND: ("orders.refund", refunding.refuse),
    AGREE: ("campaigns.launch", deciding.agree),
    REFUSE: ("campaigns.launch", deciding.refuse),
}
"""Each command: what a role needs for it, and what it does with the rest of the message."""

DIALOGUES: dict[str, Callable[[Asker, Command], str]] = {
    "give": giving.go_on,
    "redeem": redeeming.go_on,
    "find": looking.go_on,
    "refund": refunding.go_on,
}
DIALOGUE_OF = {"give": GIVE, "redeem": REDEEM, "find": FIND, "refund": AGREE_REFUND}
"""The command that each dialogue began with."""
HELPS = {
    TODAY: "今日：今天的数字",
    FIND: "查 3097：手机后四位找会员",
    GIVE: "发券：选一张发给会员；发券 回店：按名字找",
    REDEEM: "核销 券码：看清楚再确认",
    CAMPAIGNS: "活动：等你点头的活动",
    REFUNDS: "退款：等你同意的、没退成的",
}


def is_meant(session: Session, message: Message, said: Command, now: datetime) -> bool:
    """Whether staff said it, and, of a bare answer, whether they were asked anything."""
    if find_staff(session, message.appid, message.openid) is None:
        return False
    if said.word not in ANSWERS:
        return True
    return dialogues.find(session, message.appid, message.openid, now=now) is not None


def obey(session: Session, message: Message, happened: Happened, now: datetime) -> list[Part]:
    """What a message of staff commands, done; the words to answer."""
    said = read(message.text)
    return [] if said is None else _answer(session, message, said, now)


def tapped(session: Session, message: Message, now: datetime) -> list[Part]:
    """The same by a tap on the staff menu."""
    said = read(message.event_key.removeprefix(STAFF_KEY))
    return [] if said is None else _answer(session, message, said, now)


def _answer(session: Session, message: Message, said: Command, now: datetime) -> list[Part]:
    staff = find_staff(session, message.appid, message.openid)
    if staff is None:
        return [answers.text(NOT_STAFF)]
    asker = Asker(session, staff, message.appid, message.openid, now)
    return [answers.text(_words(asker, said))]


def _words(asker: Asker, said: Command) -> str:
    if said.word == HELP:
        mine = [words for word, words in HELPS.items() if _may(asker, VERBS[word][0])]
        return "\n".join(["能在这里做的：", *mine])
    if said.word in ANSWERS:
        question = asker.question()
        if question is None:
            return OVER
        if said.word == NO:
            asker.done()
            return "好，不做了。"
        kind, go_on = question.kind, DIALOGUES[question.kind]
        return _try(asker, DIALOGUE_OF[kind], lambda: go_on(asker, said))
    permission, verb = VERBS[said.word]
    if not _may(asker, permission):
        return asker.refused(said.word, NOT_YOURS)
    return _try(asker, said.word, lambda: verb(asker, said.more))


def _try(asker: Asker, command: str, act: Callable[[], str]) -> str:
    """A refusal is said in the chat and on record, and nothing of the act stays."""
    try:
        with asker.session.begin_nested():
            return act()
    except LinliError as refused:
        return asker.refused(command, plain(refused.detail))


def _may(asker: Asker, permission: str) -> bool:
    return not permission or asker.may(permission)
