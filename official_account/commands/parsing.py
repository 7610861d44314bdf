"""What a message commands. Pure: most messages are no command, and that must cost nothing."""

import re
from typing import NamedTuple

FIND, TODAY, GIVE, REDEEM, HELP = "查", "今日", "发券", "核销", "帮助"
CAMPAIGNS, REFUNDS, AGREE, REFUSE = "活动", "退款", "同意", "不同意"
AGREE_REFUND, REFUSE_REFUND = "同意退款", "不同意退款"
YES, NO, NUMBER = "确认", "取消", "number"

ANSWERS = (YES, NO, NUMBER)
"""They mean something only while a question is open."""

_LONGEST = 240
_WORDS = {
    "今日": TODAY,
    "今天": TODAY,
    "查": FIND,
    "查会员": FIND,
    "发券": GIVE,
    "核销": REDEEM,
    "帮助": HELP,
    "店员帮助": HELP,
    "活动": CAMPAIGNS,
    "待审": CAMPAIGNS,
    "退款": REFUNDS,
    "确认": YES,
    "取消": NO,
    "算了": NO,
}
_WITH_MORE = re.compile(r"(查|核销|不同意退款|同意退款|不同意|同意)\s*([0-9A-Za-z.\-_ ]{3,200})")
_OF_NAME = re.compile(r"发券\s+(\S.{0,19})")
"""Part of a coupon's name: after a space, since 发券 begins what guests say too."""
_DIGITS = re.compile(r"\d{1,11}")


class Command(NamedTuple):
    """`more` is what follows the word: the last digits of a phone, a code, a number."""

    word: str
    more: str = ""


def read(text: str) -> Command | None:
    said = text.strip()
    if not said or len(said) > _LONGEST:
        return None
    if said in _WORDS:
        return Command(_WORDS[said])
    if _DIGITS.fullmatch(said):
        return Command(NUMBER, said)
    if found := _OF_NAME.fullmatch(said):
        return Command(GIVE, found[1].strip())
    found = _WITH_MORE.fullmatch(said)
    return Command(found[1], found[2].strip()) if found else None
