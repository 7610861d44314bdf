"""Who may open a page: the gate of staff, the stores they see, and proving oneself again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import cookies, state
from core import limits
from core.clock import now as clock_now
from core.database import reading
from core.errors import Forbidden, Unauthorized
from core.numbers import token_hash
from core.web import Audience, declare
from merchants import roles
from merchants.models import Merchant, Role, Staff, StaffState, Store
from merchants.staff import stores_of
from messaging.materials import files
from people.logins import find_session
from people.models import Audience as LoginAudience

LARGEST_FORM = files.LARGEST + 256 * 1024
PROOF_LASTS = timedelta(minutes=5)
ROLES = {Role.owner: "店主", Role.manager: "店长", Role.clerk: "店员"}


class NotYours(Forbidden):
    code, title = "no_permission", "你的账号不能做这件事，找店主开通"


@dataclass(frozen=True)
class Shop:
    id: int
    name: str


@dataclass(frozen=True)
class Me:
    """The staff member behind a request. `stores` is all that they may ever see."""

    staff_id: int
    name: str
    role: Role
    merchant_id: int
    merchant_code: str
    merchant_name: str
    stores: tuple[Shop, ...]
    store_id: int | None
    has_password: bool
    session_hash: str
    person_id: int | None

    @property
    def actor(self) -> str:
        return f"staff:{self.staff_id}"

    @property
    def store_ids(self) -> list[int]:
        """The stores this screen is about: the chosen one, or all of mine."""
        return [self.store_id] if self.store_id else self.all_store_ids

    @property
    def all_store_ids(self) -> list[int]:
        return [store.id for store in self.stores]

    @property
    def role_words(self) -> str:
        return ROLES[self.role]

    @property
    def scope_words(self) -> str:
        for store in self.stores:
            if store.id == self.store_id or len(self.stores) == 1:
                return store.name
        return f"{len(self.stores)} 家门店"

    def may(self, permission: str) -> bool:
        return not permission or roles.may(self.role, permission)

    def name_of(self, store_id: int | None) -> str:
        return next((store.name for store in self.stores if store.id == store_id), "")


def staff(permission: str = "") -> Any:
    """Only staff, and only those whose role has `permission`."""
    return declare(Audience("staff", gate=partial(_gate, permission), permission=permission))


def takes_file(view: Any) -> Any:
    """This page is sent files: its bodies may be larger than others'."""
    view.largest_body = LARGEST_FORM
    return view


def visitor(view: Any) -> Any:
    """Anybody with a browser: log-in, OAuth, invites. Forms are still checked for forgery."""
    return declare(Audience("public", gate=lambda: None))(view)


def me() -> Me:
    found: Me = state.find("me")
    return found


def limit(act: str) -> None:
    """Count an act of this staff member (`core.limits`). Raises TooMany."""
    who = me()
    limits.check(act, ip=request.remote_addr, staff=who.staff_id, merchant=who.merchant_id)


def _gate(permission: str) -> None:
    with reading() as session:
        found = find_me(session, cookies.read(cookies.STAFF), clock_now())
    if found is None:
        raise Unauthorized("请先登录")
    state.put("me", found)
    if not found.may(permission):
        raise NotYours()


def find_me(session: Session, token: str, now: datetime) -> Me | None:
    """The active staff member of a session token."""
    login = find_session(session, token, now) if token else None
    if login is None or login.audience is not LoginAudience.staff or login.staff_id is None:
        return None
    found = session.execute(
        select(Staff, Merchant)
        .join(Merchant, Merchant.id == Staff.merchant_id)
        .where(Staff.id == login.staff_id, Staff.state == StaffState.active)
    ).first()
    if found is None:
        return None
    member, merchant = found
    mine = stores_of(session, member)
    names = select(Store.id, Store.name).where(Store.id.in_(mine)).order_by(Store.id)
    stores = tuple(Shop(*row) for row in session.execute(names))
    wished = cookies.read(cookies.STORE)
    return Me(
        staff_id=member.id,
        name=member.name,
        role=member.role,
        merchant_id=merchant.id,
        merchant_code=merchant.code,
        merchant_name=merchant.name,
        stores=stores,
        store_id=next((s.id for s in stores if str(s.id) == wished or len(stores) == 1), None),
        has_password=bool(member.password_hash),
        session_hash=token_hash(token),
        person_id=member.person_id,
    )


def is_proved(now: datetime) -> bool:
    """Whether this session proved itself again within the last five minutes."""
    proof = cookies.unseal(cookies.PROVED)
    if proof is None or proof.get("session") != me().session_hash:
        return False
    return float(proof.get("until", 0)) > now.timestamp()


def prove(response: Response, session_hash: str, now: datetime) -> None:
    """Remember that the person at the keyboard has just proved who they are."""
    until = (now + PROOF_LASTS).timestamp()
    proof = cookies.seal(cookies.PROVED, {"session": session_hash, "until": until})
    cookies.write(response, cookies.PROVED, proof, PROOF_LASTS)
