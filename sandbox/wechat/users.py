"""Followers as the shop may read them: no names and no pictures since 2021."""

from typing import Any

from sandbox.people import Person
from sandbox.settings import Account
from sandbox.state import World
from sandbox.wechat.door import ApiError, Body, Call, wechat_api

BATCH = 100
REMARK_LENGTH = 30


@wechat_api("user_info", "/cgi-bin/user/info", method="GET", title="查粉丝资料")
def user_info(call: Call) -> Body:
    openid = call.query.get("openid", "")
    if not openid:
        raise ApiError(41009)
    _only_official(call)
    info = describe(call.world, call.own, openid)
    person = call.world.people.owner_of(openid, call.own.appid)
    if person:
        call.title, call.person = f"查了{person.name}的粉丝资料", person.id
    return info


@wechat_api("user_list", "/cgi-bin/user/get", method="GET", title="按页列出粉丝")
def user_list(call: Call) -> Body:
    _only_official(call)
    try:
        total, openids = call.world.followers.page(
            call.own.appid, call.query.get("next_openid", "")
        )
    except (KeyError, ValueError):
        raise ApiError(40003) from None
    call.detail = f"共 {total} 人，这一页 {len(openids)} 人"
    answer: Body = {"total": total, "count": len(openids)}
    if openids:
        answer["data"] = {"openid": openids}
    return {**answer, "next_openid": openids[-1] if openids else ""}


@wechat_api("user_batch", "/cgi-bin/user/info/batchget", title="成批查粉丝资料")
def user_batch(call: Call) -> Body:
    _only_official(call)
    rows = call.body.get("user_list")
    if not isinstance(rows, list) or not 1 <= len(rows) <= BATCH:
        raise ApiError(40032)
    openids = [row.get("openid") if isinstance(row, dict) else None for row in rows]
    infos = [describe(call.world, call.own, str(openid)) for openid in openids]
    return {"user_info_list": infos}


@wechat_api("user_remark", "/cgi-bin/user/info/updateremark", title="改粉丝备注")
def update_remark(call: Call) -> Body:
    openid, remark = call.text("openid", 40003), call.body.get("remark", "")
    follow = call.world.followers.find(call.own.appid, openid)
    if follow is None:
        raise ApiError(40003)
    if not isinstance(remark, str) or len(remark) >= REMARK_LENGTH:
        raise ApiError(45002)
    follow.remark = remark
    call.world.followers.keep(follow)
    return {}


def describe(world: World, account: Account, openid: str) -> dict[str, Any]:
    person = world.people.owner_of(openid, account.appid)
    if person is None:
        raise ApiError(40003)
    follow = world.followers.find(account.appid, openid)
    if follow is None:
        return {"subscribe": 0, "openid": openid, "tagid_list": []}
    return {
        "subscribe": 1,
        "openid": openid,
        "language": "zh_CN",
        "subscribe_time": follow.subscribe_time,
        "unionid": person.union_id,
        "remark": follow.remark,
        "groupid": 0,
        "tagid_list": list(follow.tags),
        "subscribe_scene": follow.scene,
        "qr_scene": 0,
        "qr_scene_str": follow.qr_scene_str,
    }


def check_follows(call: Call, openid: str, person: Person | None, *, errcode: int) -> None:
    """40003 for a stranger, `errcode` for somebody who does not follow."""
    if person is None:
        raise ApiError(40003)
    call.person = person.id
    if call.own.kind == "official" and not call.world.followers.find(call.own.appid, openid):
        raise ApiError(errcode)


def _only_official(call: Call) -> None:
    if call.own.kind != "official":
        raise ApiError(48001)
