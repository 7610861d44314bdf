"""The field at the counter that says whose it counts for."""

from console.access import me
from console.forms import Form
from core.database import reading
from crm import lookup
from crm.errors import MemberNotFound
from people.phones import InvalidPhone

MEMBER_NO = 12


def typed_member(form: Form, otherwise: str) -> int | None:
    """The member by phone or by the number on the card, if the clerk typed any; `otherwise` is what
    the form says of one who is not there."""
    typed = form["member"].strip()
    if not typed:
        return None
    by_no = len(typed) == MEMBER_NO and typed.isascii() and typed.isdigit()
    given = {"no": typed} if by_no else {"phone": typed}
    try:
        with reading() as session:
            return lookup.get_member(session, me().merchant_id, **given).id
    except (MemberNotFound, InvalidPhone):
        form.refuse("member", otherwise)
        return None
