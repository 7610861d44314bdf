"""The tag interfaces: limits on names, on tags per account and per person, on a batch."""

from typing import Any

from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.followers import Follow
from sandbox.wechat.tags import BATCH, MAX_TAGS, NAME_LENGTH, PER_PERSON


@wechat_api("tag_create", "/cgi-bin/tags/create", title="新建标签")
def create_tag(call: Call) -> Body:
    name = _name(call)
    tags = call.world.tags.of(call.own.appid)
    if name in tags.values():
        raise ApiError(45157)
    if len(tags) >= MAX_TAGS:
        raise ApiError(45056)
    call.title = f"新建标签「{name}」"
    return {"tag": {"id": call.world.tags.create(call.own.appid, name), "name": name}}


@wechat_api("tag_list", "/cgi-bin/tags/get", method="GET", title="列出标签")
def list_tags(call: Call) -> Body:
    tags = call.world.tags.of(call.own.appid)
    followers = call.world.followers
    return {
        "tags": [
            {"id": tag, "name": name, "count": len(followers.of_tag(call.own.appid, tag))}
            for tag, name in tags.items()
        ]
    }


@wechat_api("tag_update", "/cgi-bin/tags/update", title="改标签名")
def rename_tag(call: Call) -> Body:
    tag, name = _tag(call, _row(call).get("id")), _name(call)
    call.world.tags.of(call.own.appid)[tag] = name
    return {}


@wechat_api("tag_delete", "/cgi-bin/tags/delete", title="删除标签")
def delete_tag(call: Call) -> Body:
    tag = _tag(call, _row(call).get("id"))
    for openid in call.world.followers.of_tag(call.own.appid, tag):
        follow = call.world.followers.find(call.own.appid, openid)
        if follow:
            follow.tags = [kept for kept in follow.tags if kept != tag]
    del call.world.tags.of(call.own.appid)[tag]
    return {}


@wechat_api("tag_users", "/cgi-bin/tags/members/batchtagging", title="给粉丝打标签")
def tag_users(call: Call) -> Body:
    tag, follows = _tag(call, call.body.get("tagid")), _follows(call)
    if any(len(follow.tags) >= PER_PERSON and tag not in follow.tags for follow in follows):
        raise ApiError(45059)
    for follow in follows:
        follow.tags = [kept for kept in follow.tags if kept != tag] + [tag]
        _keep(call, follow)
    name = call.world.tags.of(call.own.appid)[tag]
    call.title = f"给 {len(follows)} 位粉丝打上「{name}」"
    return {}


@wechat_api("untag_users", "/cgi-bin/tags/members/batchuntagging", title="给粉丝去掉标签")
def untag_users(call: Call) -> Body:
    tag = _tag(call, call.body.get("tagid"))
    for follow in _follows(call):
        follow.tags = [kept for kept in follow.tags if kept != tag]
        _keep(call, follow)
    return {}


@wechat_api("tags_of_user", "/cgi-bin/tags/getidlist", title="查粉丝的标签")
def tags_of_user(call: Call) -> Body:
    follow = call.world.followers.find(call.own.appid, call.text("openid", 40003))
    if follow is None:
        raise ApiError(40003)
    return {"tagid_list": list(follow.tags)}


@wechat_api("users_of_tag", "/cgi-bin/user/tag/get", title="列出标签下的粉丝")
def users_of_tag(call: Call) -> Body:
    openids = call.world.followers.of_tag(call.own.appid, _tag(call, call.body.get("tagid"), 0))
    after = call.body.get("next_openid") or ""
    if after in openids:
        openids = openids[openids.index(after) + 1 :]
    answer: Body = {"count": len(openids)}
    if openids:
        answer |= {"data": {"openid": openids}, "next_openid": openids[-1]}
    return answer


def _keep(call: Call, follow: Follow) -> None:
    """Remember the follow's new tags and show the menu that goes with them."""
    call.world.followers.keep(follow)
    if person := call.world.people.owner_of(follow.openid, follow.appid):
        call.world.chats.changed(person, follow.appid)


def _row(call: Call) -> dict[str, Any]:
    row = call.body.get("tag")
    if not isinstance(row, dict):
        raise ApiError(47001)
    return row


def _name(call: Call) -> str:
    name = _row(call).get("name")
    if not isinstance(name, str) or not name:
        raise ApiError(40035)
    if len(name) > NAME_LENGTH:
        raise ApiError(45158)
    return name


def _tag(call: Call, value: object, lowest_own: int = 3) -> int:
    tags = call.world.tags.of(call.own.appid)
    if not isinstance(value, int) or value not in tags:
        raise ApiError(45159)
    if value < lowest_own:
        raise ApiError(45058)
    return value


def _follows(call: Call) -> list[Follow]:
    openids = call.body.get("openid_list")
    if not isinstance(openids, list) or not 1 <= len(openids) <= BATCH:
        raise ApiError(40032)
    follows: list[Follow] = []
    for openid in openids:
        if call.world.people.owner_of(str(openid), call.own.appid) is None:
            raise ApiError(40003)
        follow = call.world.followers.find(call.own.appid, str(openid))
        if follow is None:
            raise ApiError(49003)
        follows.append(follow)
    return follows
