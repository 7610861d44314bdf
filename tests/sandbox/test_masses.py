"""Broadcasts as WeChat plays them: four a month, client ids, totals only, drafts, previews."""

from typing import Any
from xml.etree import ElementTree

from flask.testing import FlaskClient

from sandbox.wechat.masses import finish
from tests.sandbox.conftest import OFFICIAL, Shop, act, call, chat, opened, openid, world_of

SEND = "/cgi-bin/message/mass/send"


def mass(client: FlaskClient, words: str, client_id: str = "", **changes: Any) -> dict[str, Any]:
    body = {
        "touser": [openid(client), openid(client, "zhixia")],
        "msgtype": "text",
        "text": {"content": words},
        "clientmsgid": client_id,
        **changes,
    }
    return call(client, SEND, body)


def follow_all(client: FlaskClient) -> None:
    for person in ("aqing", "zhixia"):
        act(client, f"people/{person}/follow")


def counts(shop: Shop, client: FlaskClient) -> dict[str, str]:
    told = opened(world_of(client).account(OFFICIAL), shop.told[-1])
    return {part.tag: part.text or "" for part in ElementTree.fromstring(told)}


def test_the_fifth_broadcast_of_a_month_does_not_arrive(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    follow_all(sandbox_client)
    world = world_of(sandbox_client)
    for number in range(4):
        finish(world, mass(sandbox_client, f"第 {number} 次")["msg_id"])
    act(sandbox_client, "people/xiaozhou/follow")
    both = [openid(sandbox_client), openid(sandbox_client, "xiaozhou")]
    fifth = mass(sandbox_client, "第五次", touser=both)

    finish(world, fifth["msg_id"])

    said = counts(shop, sandbox_client)
    assert said["Event"] == "MASSSENDJOBFINISH"
    assert (said["MsgID"], said["Status"]) == (str(fifth["msg_id"]), "send success")
    totals = ("TotalCount", "FilterCount", "SentCount", "ErrorCount")
    assert [said[name] for name in totals] == ["2", "2", "1", "1"]
    assert chat(sandbox_client)[-1]["text"] == "第 3 次"
    assert chat(sandbox_client, "xiaozhou")[-1]["text"] == "第五次"


def test_a_client_id_is_known_for_a_day(sandbox_client: FlaskClient) -> None:
    follow_all(sandbox_client)
    first = mass(sandbox_client, "一", "b-1")

    assert mass(sandbox_client, "一", "b-1")["errcode"] == 45066
    act(sandbox_client, "clock", advance_seconds=61)
    again = mass(sandbox_client, "一", "b-1")
    assert (again["errcode"], again["msg_id"]) == (45065, first["msg_id"])
    act(sandbox_client, "clock", advance_seconds=24 * 3600)
    assert mass(sandbox_client, "一", "b-1")["errcode"] == 0
    assert mass(sandbox_client, "一", "x" * 65)["errcode"] == 45067


def test_a_list_has_from_two_to_ten_thousand(sandbox_client: FlaskClient) -> None:
    one = [openid(sandbox_client)]

    assert mass(sandbox_client, "一", touser=one)["errcode"] == 40032
    assert mass(sandbox_client, "一", touser=one * 10_001)["errcode"] == 40032
    assert mass(sandbox_client, "")["errcode"] == 44004
    assert mass(sandbox_client, "字" * 683)["errcode"] == 45002


def test_what_was_refused_reaches_nobody_and_costs_nothing(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    follow_all(sandbox_client)
    before = len(chat(sandbox_client))
    msg_id = mass(sandbox_client, "违规")["msg_id"]

    finish(world_of(sandbox_client), msg_id, "err(20002)")

    assert counts(shop, sandbox_client)["Status"] == "err(20002)"
    assert len(chat(sandbox_client)) == before
    found = call(sandbox_client, "/cgi-bin/message/mass/get", {"msg_id": msg_id})
    assert found["msg_status"] == "SEND_FAIL"


def test_an_article_is_kept_previewed_and_sent_to_a_tag(sandbox_client: FlaskClient) -> None:
    follow_all(sandbox_client)
    article = {"title": "冬天的第一杯", "content": "<p>热的</p>", "thumb_media_id": "cover"}
    draft = call(sandbox_client, "/cgi-bin/draft/add", {"articles": [article]})
    news = {"msgtype": "mpnews", "mpnews": {"media_id": draft["media_id"]}}

    shown = call(sandbox_client, "/cgi-bin/message/mass/preview", {"towxname": "aqing", **news})
    assert shown["errcode"] == 0
    assert chat(sandbox_client)[-1]["articles"][0]["title"] == "冬天的第一杯"
    stranger = call(sandbox_client, "/cgi-bin/message/mass/preview", {"towxname": "nobody", **news})
    assert stranger["errcode"] == 40132

    tag = call(sandbox_client, "/cgi-bin/tags/create", {"tag": {"name": "常客"}})["tag"]["id"]
    members = {"openid_list": [openid(sandbox_client)], "tagid": tag}
    call(sandbox_client, "/cgi-bin/tags/members/batchtagging", members)
    body = {"filter": {"is_to_all": False, "tag_id": tag}, **news}
    sent = call(sandbox_client, "/cgi-bin/message/mass/sendall", body)
    finish(world_of(sandbox_client), sent["msg_id"])

    known = world_of(sandbox_client).masses.find(sent["msg_id"])
    assert known is not None
    assert (known.total, known.sent, known.errors) == (1, 1, 0)
    without_cover = {"title": "一", "content": "二"}
    refused = call(sandbox_client, "/cgi-bin/draft/add", {"articles": [without_cover]})
    assert refused["errcode"] == 40007


def test_calls_of_a_day_run_out(sandbox_client: FlaskClient) -> None:
    asked = {"cgi_path": SEND}
    world_of(sandbox_client).masses.spend_call(OFFICIAL, "calls", 100)

    quota = call(sandbox_client, "/cgi-bin/openapi/quota/get", asked)["quota"]

    assert quota == {"daily_limit": 100, "used": 1, "remain": 99}
    while world_of(sandbox_client).masses.spend_call(OFFICIAL, "calls", 100):
        pass
    assert mass(sandbox_client, "一")["errcode"] == 45028
