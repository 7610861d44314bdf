"""Login, tokens, users, tags, menus, codes, OAuth."""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from sandbox.state import World
from tests.sandbox.conftest import MINI, OFFICIAL, Shop, act, call, chat, openid, token, world_of

CLICK = {"type": "click", "name": "找我们", "key": "contact"}


def get(client: FlaskClient, path: str, **query: str) -> dict[str, Any]:
    data: dict[str, Any] = client.get(path, query_string=query).get_json(force=True)
    return data


def login(client: FlaskClient, code: str, **changes: str) -> dict[str, Any]:
    secret = world_of(client).account(MINI).secret
    query = {"appid": MINI, "secret": secret, "js_code": code, "grant_type": "authorization_code"}
    return get(client, "/sns/jscode2session", **{**query, **changes})


def test_a_login_code_is_good_once_for_five_minutes(sandbox_client: FlaskClient) -> None:
    code = act(sandbox_client, "people/aqing/login-code", appid=MINI)["code"]
    late = act(sandbox_client, "people/aqing/login-code", appid=MINI)["code"]

    session = login(sandbox_client, code)

    assert session["openid"] == openid(sandbox_client, appid=MINI)
    assert session["unionid"].startswith("oU")
    assert "errcode" not in session
    again = login(sandbox_client, code)
    assert again["errcode"] == 40163
    assert again["errmsg"].startswith("code been used rid: ")
    act(sandbox_client, "clock", advance_seconds=301)
    assert login(sandbox_client, late)["errcode"] == 40029
    assert login(sandbox_client, "made-up")["errcode"] == 40029


def test_login_wants_the_right_account(sandbox_client: FlaskClient) -> None:
    code = act(sandbox_client, "people/aqing/login-code", appid=MINI)["code"]

    assert login(sandbox_client, code, secret="wrong")["errcode"] == 40125
    assert login(sandbox_client, code, appid="wx0000000000000000")["errcode"] == 40013
    assert login(sandbox_client, code)["openid"]


def test_a_phone_code_is_not_a_login_code(sandbox_client: FlaskClient) -> None:
    path, code = "/wxa/business/getuserphonenumber", {}
    code["login"] = act(sandbox_client, "people/aqing/login-code", appid=MINI)["code"]
    code["phone"] = act(sandbox_client, "people/aqing/phone-code", appid=MINI)["code"]

    wrong = call(sandbox_client, path, {"code": code["login"]}, appid=MINI)
    right = call(sandbox_client, path, {"code": code["phone"]}, appid=MINI)
    again = call(sandbox_client, path, {"code": code["phone"]}, appid=MINI)

    assert wrong["errcode"] == 40029
    assert right["phone_info"]["purePhoneNumber"] == "13800001234"
    assert right["phone_info"]["watermark"]["appid"] == MINI
    assert again["errcode"] == 40029


def stable(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    secret = world_of(client).account(OFFICIAL).secret
    body = {"grant_type": "client_credential", "appid": OFFICIAL, "secret": secret, **changes}
    data: dict[str, Any] = client.post("/cgi-bin/stable_token", json=body).get_json(force=True)
    return data


def test_the_stable_token_stays_until_it_is_nearly_over(sandbox_client: FlaskClient) -> None:
    first = stable(sandbox_client)
    assert stable(sandbox_client)["access_token"] == first["access_token"]
    act(sandbox_client, "clock", advance_seconds=first["expires_in"] - 200)

    second = stable(sandbox_client)

    assert second["access_token"] != first["access_token"]
    assert (
        get(sandbox_client, "/cgi-bin/tags/get", access_token=first["access_token"])["errcode"] == 0
    )
    act(sandbox_client, "clock", advance_seconds=300)
    old = get(sandbox_client, "/cgi-bin/tags/get", access_token=first["access_token"])
    assert old["errcode"] == 42001


def test_forcing_kills_the_old_token_and_is_rationed(sandbox_client: FlaskClient) -> None:
    old = stable(sandbox_client)["access_token"]

    new = stable(sandbox_client, force_refresh=True)["access_token"]

    assert new != old
    assert get(sandbox_client, "/cgi-bin/tags/get", access_token=old)["errcode"] == 40001
    assert stable(sandbox_client, force_refresh=True)["errcode"] == 45011
    act(sandbox_client, "clock", advance_seconds=31)
    assert stable(sandbox_client, force_refresh=True)["access_token"] not in (old, new)


def test_token_requests_are_checked(sandbox_client: FlaskClient) -> None:
    assert stable(sandbox_client, secret="x")["errcode"] == 40125
    assert stable(sandbox_client, appid="wx0")["errcode"] == 40013
    assert stable(sandbox_client, grant_type="x")["errcode"] == 40002
    assert get(sandbox_client, "/cgi-bin/stable_token")["errcode"] == 43002
    assert get(sandbox_client, "/cgi-bin/user/get")["errcode"] == 41001


def test_followers_show_unionid_scene_and_tags(sandbox_client: FlaskClient) -> None:
    qr = world_of(sandbox_client).qrs.create_official(OFFICIAL, "store_jingan", None)
    me = openid(sandbox_client)
    assert call(sandbox_client, "/cgi-bin/user/info", openid=me)["subscribe"] == 0

    act(sandbox_client, "people/aqing/scan", qr=qr.content)

    info = call(sandbox_client, "/cgi-bin/user/info", openid=me, lang="zh_CN")
    code = act(sandbox_client, "people/aqing/login-code", appid=MINI)["code"]
    assert info["subscribe"] == 1
    assert info["unionid"] == login(sandbox_client, code)["unionid"]
    assert (info["subscribe_scene"], info["qr_scene_str"]) == ("ADD_SCENE_QR_CODE", "store_jingan")
    assert "nickname" not in info
    assert call(sandbox_client, "/cgi-bin/user/info", openid="nobody")["errcode"] == 40003
    batch = {"user_list": [{"openid": me}]}
    rows = call(sandbox_client, "/cgi-bin/user/info/batchget", batch)["user_info_list"]
    assert rows == [{k: v for k, v in info.items() if k not in ("errcode", "errmsg")}]


def test_paging_steps_over_who_left(sandbox_client: FlaskClient) -> None:
    for person in ("aqing", "xiaozhou", "zhixia"):
        act(sandbox_client, f"people/{person}/follow")
    act(sandbox_client, "people/xiaozhou/unfollow")

    page = call(sandbox_client, "/cgi-bin/user/get")
    rest = call(sandbox_client, "/cgi-bin/user/get", next_openid=page["data"]["openid"][0])

    expected = [openid(sandbox_client), openid(sandbox_client, "zhixia")]
    assert page["data"]["openid"] == expected
    assert (page["total"], page["next_openid"]) == (2, expected[1])
    assert rest["data"]["openid"] == expected[1:]


def test_tags_choose_the_menu(sandbox_client: FlaskClient, world: World) -> None:
    tag = call(sandbox_client, "/cgi-bin/tags/create", {"tag": {"name": "店员"}})["tag"]["id"]
    act(sandbox_client, "people/xiaozhou/follow")
    clerk = openid(sandbox_client, "xiaozhou")
    staff = {"type": "scancode_waitmsg", "name": "扫码核销", "key": "redeem"}
    early = {"button": [staff], "matchrule": {"tag_id": tag}}
    assert call(sandbox_client, "/cgi-bin/menu/addconditional", early)["errcode"] == 65303
    assert call(sandbox_client, "/cgi-bin/menu/create", {"button": [CLICK]})["errcode"] == 0

    assert "menuid" in call(sandbox_client, "/cgi-bin/menu/addconditional", early)
    before = call(sandbox_client, "/cgi-bin/menu/trymatch", {"user_id": clerk})["button"]
    batch = {"openid_list": [clerk], "tagid": tag}
    last = world.feed.last_id
    assert call(sandbox_client, "/cgi-bin/tags/members/batchtagging", batch)["errcode"] == 0
    after = call(sandbox_client, "/cgi-bin/menu/trymatch", {"user_id": clerk})["button"]

    assert (before, after) == ([CLICK], [staff])
    shown = get(sandbox_client, "/sandbox/api/people/xiaozhou/chat", appid=OFFICIAL)
    assert shown["menu"] == {"button": [staff], "conditional": True}
    told = [row for row in world.feed.after(last, chats=True) if row["kind"] == "chat"]
    assert [row["person"] for row in told] == ["xiaozhou"]  # his phone reads the menu again
    assert call(sandbox_client, "/cgi-bin/tags/members/batchuntagging", batch)["errcode"] == 0
    gone = call(sandbox_client, "/cgi-bin/menu/trymatch", {"user_id": clerk})["button"]
    assert gone == [CLICK]


def test_only_tags_may_choose_a_menu(sandbox_client: FlaskClient) -> None:
    call(sandbox_client, "/cgi-bin/menu/create", {"button": [CLICK]})

    for rule, errcode in (({"sex": "1"}, 65320), ({}, 65305), ({"tag_id": "999"}, 45159)):
        body = {"button": [CLICK], "matchrule": rule}
        answer = call(sandbox_client, "/cgi-bin/menu/addconditional", body)
        assert answer["errcode"] == errcode


@pytest.mark.parametrize(
    ("buttons", "errcode"),
    [
        ([], 40016),
        ([CLICK] * 4, 40016),
        ([{**CLICK, "name": "名字比十六个字节长"}], 40018),
        ([{**CLICK, "type": "shout"}], 40017),
        ([{**CLICK, "key": "k" * 129}], 40019),
        ([{"type": "view", "name": "网页", "url": "ftp://example.com"}], 40055),
        ([{"type": "view", "name": "网页", "url": "https://e.com/" + "a" * 1024}], 40020),
        ([{"name": "会员", "sub_button": [CLICK] * 6}], 40023),
        ([{"name": "会员", "sub_button": [{**CLICK, "name": "长" * 21}]}], 40025),
    ],
)
def test_menu_limits(sandbox_client: FlaskClient, buttons: list[Any], errcode: int) -> None:
    answer = call(sandbox_client, "/cgi-bin/menu/create", {"button": buttons})

    assert answer["errcode"] == errcode
    assert call(sandbox_client, "/cgi-bin/menu/get")["errcode"] == 46003


def test_a_scan_button_hands_over_what_the_camera_read(
    make_world: Callable[..., FlaskClient], shop: Shop
) -> None:
    client = make_world(mode="plain")
    staff = {"type": "scancode_waitmsg", "name": "扫码核销", "key": "redeem"}
    call(client, "/cgi-bin/menu/create", {"button": [{"name": "门店", "sub_button": [staff]}]})
    act(client, "people/xiaozhou/follow")

    act(client, "people/xiaozhou/tap", path=[0, 0], scan="LL1.ABC.1.mac")

    body = shop.told[-1].body.decode()
    assert "<ScanResult><![CDATA[LL1.ABC.1.mac]]></ScanResult>" in body
    assert "<Event><![CDATA[scancode_waitmsg]]></Event>" in body
    refused = client.post("/sandbox/api/people/xiaozhou/tap", json={"path": [0, 0]})
    assert (refused.status_code, refused.get_json()["title"]) == (409, "没有对准任何码")


def test_parametric_codes_expire_and_can_be_drawn(sandbox_client: FlaskClient) -> None:
    path, scene = "/cgi-bin/qrcode/create", {"scene": {"scene_str": "staff_1"}}
    short = call(
        sandbox_client,
        path,
        {"expire_seconds": 600, "action_name": "QR_STR_SCENE", "action_info": scene},
    )
    body = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": scene}
    lasting = call(sandbox_client, path, body)

    assert short["expire_seconds"] == 600
    assert "expire_seconds" not in lasting
    assert call(sandbox_client, path, body)["ticket"] == lasting["ticket"]
    picture = sandbox_client.get("/cgi-bin/showqrcode", query_string={"ticket": lasting["ticket"]})
    assert picture.data.startswith(b"\x89PNG")
    act(sandbox_client, "clock", advance_seconds=601)
    late = sandbox_client.post("/sandbox/api/people/aqing/scan", json={"qr": short["url"]})
    assert late.status_code == 409
    assert act(sandbox_client, "people/aqing/scan", qr=lasting["url"])["kind"] == "follow"
    for wrong in ({"scene": {"scene_str": "x" * 65}}, {"scene": {"scene_str": ""}}):
        refused = call(sandbox_client, path, {**body, "action_info": wrong})
        assert refused["errcode"] == 40097


def test_a_mini_program_code_opens_its_page(sandbox_client: FlaskClient) -> None:
    body = {"scene": "t=A06", "page": "pages/menu/menu", "check_path": False}
    answer = sandbox_client.post(
        "/wxa/getwxacodeunlimit",
        query_string={"access_token": token(sandbox_client, MINI)},
        json=body,
    )

    assert io.BytesIO(answer.data).read(4) == b"\x89PNG"
    code = get(sandbox_client, "/sandbox/api/qrs")["qrs"][0]["text"]
    opened = act(sandbox_client, "people/aqing/scan", qr=code)
    assert opened == {"kind": "mini", "appid": MINI, "path": "/pages/menu/menu?scene=t%3DA06"}
    wrong = call(sandbox_client, "/wxa/getwxacodeunlimit", {**body, "scene": "桌"}, appid=MINI)
    assert wrong["errcode"] == 40129
    wrong = call(sandbox_client, "/wxa/getwxacodeunlimit", {**body, "page": "/a"}, appid=MINI)
    assert wrong["errcode"] == 41030


def test_oauth_knows_whose_phone_it_is(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/xiaozhou/follow")
    sandbox_client.get("/sandbox/webview?person=xiaozhou&url=http://127.0.0.1:8000/console/")

    answer = sandbox_client.get(
        "/connect/oauth2/authorize",
        query_string={
            "appid": OFFICIAL,
            "redirect_uri": "http://127.0.0.1:8000/console/wechat?next=/orders",
            "response_type": "code",
            "scope": "snsapi_base",
            "state": "abc",
        },
    )

    target = urlsplit(answer.headers["Location"])
    query = parse_qs(target.query)
    assert (target.path, query["next"], query["state"]) == ("/console/wechat", ["/orders"], ["abc"])
    asked = {
        "appid": OFFICIAL,
        "secret": world_of(sandbox_client).account(OFFICIAL).secret,
        "code": query["code"][0],
        "grant_type": "authorization_code",
    }
    first = get(sandbox_client, "/sns/oauth2/access_token", **asked)
    assert first["openid"] == openid(sandbox_client, "xiaozhou")
    assert first["unionid"].startswith("oU")
    assert get(sandbox_client, "/sns/oauth2/access_token", **asked)["errcode"] == 40163
    asked["code"] = "made-up"
    assert get(sandbox_client, "/sns/oauth2/access_token", **asked)["errcode"] == 40029


def test_a_fault_can_be_any_error_code(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "faults", api="api.user_list", kind="error", errcode=45009, times=2)

    codes = [call(sandbox_client, "/cgi-bin/user/get")["errcode"] for _ in range(3)]

    assert codes == [45009, 45009, 0]


def test_errors_of_form_are_wechats(sandbox_client: FlaskClient) -> None:
    path = "/cgi-bin/tags/create"
    query = {"access_token": token(sandbox_client)}

    def post(data: bytes) -> int:
        answer = sandbox_client.post(path, query_string=query, data=data)
        return int(answer.get_json(force=True)["errcode"])

    assert post(b"") == 44002
    assert post(b"{nonsense") == 47001
    assert post(b"[1]") == 47001
    assert call(sandbox_client, path)["errcode"] == 43002


def test_another_accounts_phone_is_a_stranger(sandbox_client: FlaskClient) -> None:
    assert (
        call(sandbox_client, "/cgi-bin/user/info", openid=openid(sandbox_client, appid=MINI))[
            "errcode"
        ]
        == 40003
    )
    assert chat(sandbox_client) == []
