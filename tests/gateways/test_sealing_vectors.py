"""WeChat's published vectors: the same bytes come out of our ciphers."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wechatpy.crypto import WeChatCrypto

from gateways.wechat import pay_crypto, sealing
from gateways.wechat.callback import Callback

PAYLOADS = Path(__file__).parent / "payloads"
PUSH = json.loads((PAYLOADS / "push_vectors.json").read_text())
SAMPLE = json.loads((PAYLOADS / "sample_package.json").read_text())
PAY = json.loads((PAYLOADS / "pay_vectors.json").read_text())


@pytest.fixture
def callback() -> Callback:
    return Callback(PUSH["appid"], PUSH["token"], PUSH["encoding_aes_key"])


def test_the_address_check_answers_the_echo(callback: Callback) -> None:
    assert callback.echo(PUSH["verify"]) == "4375120948345356249"


def test_plain_signature() -> None:
    plain = PUSH["plain"]

    assert sealing.signature("AAAAA", plain["timestamp"], plain["nonce"]) == plain["signature"]


def test_a_sealed_json_event_is_opened(callback: Callback) -> None:
    safe = PUSH["safe"]
    body = json.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": safe["encrypt"]}).encode()

    at = datetime.fromtimestamp(int(safe["query"]["timestamp"]), UTC)
    message = callback.read(safe["query"], body, at)

    assert message.raw == safe["message"]
    assert (message.kind, message.event, message.sealed) == ("event", "debug_demo", True)
    assert message.openid == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
    assert message.msg_id == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY:1714112445:debug_demo:"
    assert message.fields["debug_str"] == "hello world"


def test_a_reply_is_sealed_byte_for_byte(callback: Callback) -> None:
    reply = PUSH["reply"]

    sealed = callback.seal(
        reply["message"],
        timestamp=reply["timestamp"],
        nonce=reply["nonce"],
        random=reply["random"].encode(),
    )

    assert sealed == {
        "Encrypt": reply["encrypt"],
        "MsgSignature": reply["signature"],
        "TimeStamp": "1713424427",
        "Nonce": "415670741",
    }


def test_the_sample_package_both_ways() -> None:
    key = sealing.aes_key(SAMPLE["encoding_aes_key"])
    message, appid = SAMPLE["message"].encode(), SAMPLE["appid"]

    assert sealing.seal(key, message, appid, random=SAMPLE["random"].encode()) == SAMPLE["encrypt"]
    assert sealing.unseal(key, SAMPLE["encrypt"], appid) == message


def test_wechatpy_opens_what_we_seal_and_seals_what_we_open(callback: Callback) -> None:
    other = WeChatCrypto(PUSH["token"], PUSH["encoding_aes_key"], PUSH["appid"])
    ours = callback.seal("<xml>你好</xml>", timestamp="1714112445", nonce="n")

    theirs = other.encrypt_message("<xml>hello</xml>", "n", "1714112445")
    opened = other.decrypt_message(
        f"<xml><Encrypt>{ours['Encrypt']}</Encrypt></xml>", ours["MsgSignature"], "1714112445", "n"
    )

    assert opened == "<xml>你好</xml>"
    encrypted = theirs.split("<Encrypt><![CDATA[")[1].split("]]>")[0]
    key = sealing.aes_key(PUSH["encoding_aes_key"])
    assert sealing.unseal(key, encrypted, PUSH["appid"]) == b"<xml>hello</xml>"


@pytest.mark.parametrize("name", ["aes_gcm", "aes_gcm_16"])
def test_pay_resources_are_opened(name: str) -> None:
    vector = PAY[name]

    assert pay_crypto.unseal(vector["key"], vector) == vector["plaintext"].encode()


def test_pay_request_text() -> None:
    vector = PAY["request_text"]

    text = pay_crypto.request_text(
        vector["method"], vector["target"], vector["timestamp"], vector["nonce"], b""
    )

    assert text.decode() == vector["text"]
