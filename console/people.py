"""How a person is shown: by nickname, masked where it is a number, in one of four colours."""

from crm.models import Member
from people.models import Person
from people.phones import mask

COLOURS = ("b", "", "c", "d")


def name_of(member: Member | None) -> str:
    """A member who gave no name is known by the end of their number."""
    if member is None:
        return "顾客"
    return member.name or f"会员 {member.no[-4:]}"


def phone_of(person: Person) -> str:
    return mask(person.phone) if person.phone else "没有留手机号"


def colour(member: Member) -> str:
    return COLOURS[member.id % len(COLOURS)]


def harmless(text: str) -> str:
    """A text that a spreadsheet would take for a formula."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r\n＝＋－＠") else text


def masked_address(address: str | None) -> str:
    """Enough to tell two apart; the whole stands where it is changed."""
    if not address:
        return "没有登记"
    return f"{address[:6]}****" if len(address) > 6 else f"{address[:2]}****"
