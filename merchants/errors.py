"""Failures of merchants."""

from core.errors import Conflict, Gone, NotFound


class StoreNotFound(NotFound):
    code = "store_not_found"
    title = "没有这家门店"


class TableNotFound(NotFound):
    code = "table_not_found"
    title = "没有这张桌子"


class InviteUnusable(Gone):
    code = "invite_unusable"
    title = "邀请已经用过或过期，请店长重新发一个"


class LastOwner(Conflict):
    code = "last_owner"
    title = "这是最后一位店主，先请另一位店主加入，再改这一位"


class AlreadyBound(Conflict):
    code = "staff_already_bound"
    title = "这位店员已经绑定了微信"
