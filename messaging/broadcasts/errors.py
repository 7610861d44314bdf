"""Refusals of broadcasts."""

from core.errors import Conflict, Invalid, NotFound


class BroadcastInvalid(Invalid):
    code = "broadcast_invalid"
    title = "群发还没写完整"


class BroadcastNotFound(NotFound):
    code = "broadcast_not_found"
    title = "没有这次群发"


class BroadcastMoved(Conflict):
    code = "broadcast_moved"
    title = "这次群发已经变了，刷新看看"
