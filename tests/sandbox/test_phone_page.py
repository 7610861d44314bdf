"""The virtual phone's page: its policy, its pictures of codes, its lights."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from sandbox import demo_config
from sandbox.outgoing import Answer
from sandbox.server import create_sandbox
from sandbox.settings import load


@pytest.fixture(scope="module")
def keys_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phone")


@pytest.fixture
def phone(keys_directory: Path, tmp_path: Path) -> FlaskClient:
    config = demo_config.write(
        tmp_path / "config.toml",
        base_url="http://127.0.0.1:1",
        sandbox_url="http://127.0.0.1:2",
        directory=keys_directory,
        database_url="sqlite://",
        redis_url="redis://127.0.0.1:1/0",
    )
    return create_sandbox(load(config), deliver=lambda *_: Answer(200, "success")).test_client()


def test_the_page_runs_only_its_own_scripts_and_frames_only_the_shop(phone: FlaskClient) -> None:
    answer = phone.get("/sandbox/")

    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-src 'self' http://127.0.0.1:1;" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert "onclick" not in answer.text


def test_a_code_is_drawn_and_nonsense_is_not(phone: FlaskClient) -> None:
    drawn = phone.get("/sandbox/qr.svg", query_string={"text": "LL1.482710.1.abc"})

    assert drawn.mimetype == "image/svg+xml"
    assert drawn.data.startswith(b"<?xml")
    assert phone.get("/sandbox/qr.svg").status_code == 404
    assert phone.get("/sandbox/qr.svg", query_string={"text": "x" * 1025}).status_code == 404


def test_the_lights_say_when_the_shop_is_away(phone: FlaskClient) -> None:
    lights = phone.get("/sandbox/health").json["lights"]

    assert [light["state"] for light in lights] == ["bad", "unknown", "unknown"]
    assert lights[0]["name"] == "店没有开"
    assert phone.get("/sandbox/health").json["counts"]["handover"] == 0


def test_the_story_begins_again_with_new_customers_and_the_same_staff(phone: FlaskClient) -> None:
    for person in ("aqing", "xiaozhou"):
        phone.post(f"/sandbox/api/people/{person}/follow", json={})
    before = phone.get("/sandbox/api/people").json["people"]

    phone.post("/sandbox/api/reset", json={"story": True})

    after = phone.get("/sandbox/api/people").json["people"]
    assert [person["name"] for person in after] == ["阿青", "小周", "沈知夏"]
    assert [person["id"] for person in after] == ["aqing-2", "xiaozhou", "zhixia"]
    assert after[1]["openids"] == before[1]["openids"]
    assert after[1]["following"] == [demo_config.OFFICIAL]
    assert not set(after[0]["openids"].values()) & set(before[0]["openids"].values())
    assert after[0]["phone"] != before[0]["phone"]
    assert after[0]["following"] == []


def test_words_under_a_code_wait_for_it(phone: FlaskClient) -> None:
    words = {"scene": "store.abc", "title": "静安寺店的海报", "note": "贴在门口"}
    phone.post("/sandbox/api/qrs", json=words)
    assert phone.get("/sandbox/api/qrs").json["qrs"] == []

    world = phone.application.extensions["sandbox"]
    world.qrs.create_official(demo_config.OFFICIAL, "store.abc", None)

    code = phone.get("/sandbox/api/qrs").json["qrs"][0]
    assert (code["title"], code["note"]) == ("静安寺店的海报", "贴在门口")


def test_a_scan_that_the_shop_heard_of_is_counted(phone: FlaskClient) -> None:
    world = phone.application.extensions["sandbox"]
    code = world.qrs.create_official(demo_config.OFFICIAL, "invite.abc", 3_600)

    phone.post("/sandbox/api/people/xiaozhou/scan", json={"qr": code.content, "wait": False})

    assert [qr["scans"] for qr in phone.get("/sandbox/api/qrs").json["qrs"]] == [1]


def test_the_story_is_remembered_and_begins_again_with_the_staff_at_work(
    phone: FlaskClient,
) -> None:
    phone.post("/sandbox/api/story", json={"facts": ["follow", "staff"]})
    phone.post("/sandbox/api/story", json={"facts": ["pay"]})
    world = phone.application.extensions["sandbox"]
    kept = world.dump()

    assert phone.get("/sandbox/api/story").json["facts"] == ["follow", "pay", "staff"]
    assert phone.post("/sandbox/api/story", json={"facts": [7]}).status_code == 400
    phone.post("/sandbox/api/reset", json={"story": True})
    assert phone.get("/sandbox/api/story").json["facts"] == ["staff"]
    world.load(kept)
    assert phone.get("/sandbox/api/story").json["facts"] == ["follow", "pay", "staff"]


def test_the_bare_address_leads_to_the_phones(sandbox_client: FlaskClient) -> None:
    answer = sandbox_client.get("/")

    assert (answer.status_code, answer.location) == (302, "/sandbox/")
