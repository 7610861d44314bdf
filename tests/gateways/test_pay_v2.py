"""The older interface of WeChat Pay: a shared key, XML, and nothing believed that is not signed."""

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from core import config
from gateways.http import Http, NoAnswer
from gateways.pay.records import Ask, Asked, Show, Way
from gateways.wechat import pay_v2
from gateways.wechat.errors import PayError, WechatUnavailable, normalise_pay_code
from gateways.wechat.pay_codes import CodesV2
from gateways.wechat.pay_hosts import PayHosts
from sandbox import keys, live
from sandbox.pay import codes as phone_codes
from sandbox.settings import Settings
from tests.gateways.fake_wechat import Call, FakeWechat, Reply
from tests.gateways.test_pay import private_pem
from tests.sandbox.conftest import MCHID, MINI, Shop, config_path, merchant_keys

from tests.sandbox.conftest import base_settings, shop  # isort: skip

__all__ = ["base_settings", "config_path", "merchant_keys", "shop"]
KEY = "192006250b4c09247ec02edce69f6a2d"
PUBLISHED = {
    "appid": "wxd930ea5d5a258f4f",
    "body": "test",
    "device_info": "1000",
    "mch_id": "10000100",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_the_published_vectors() -> None:
    assert pay_v2.sign(PUBLISHED, KEY, pay_v2.MD5) == "9A0A8659F005D6984697E2CA0A9CF3B7"
    expected = "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"
    assert pay_v2.sign({**PUBLISHED, "empty": "", "sign": "old"}, KEY) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SYSTEMERROR", "SYSTEM_ERROR"),
        ("ORDERNOTEXIST", "ORDER_NOT_EXIST"),
        ("ORDERREVERSED", "ORDER_REVERSED"),
        ("AUTHCODEEXPIRE", "AUTH_CODE_EXPIRE"),
        ("NOTSUPORTCARD", "NOT_SUPPORT_CARD"),
        ("FREQUENCY_LIMITED", "FREQUENCY_LIMITED"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
    ],
)
def test_both_spellings_of_a_code_are_one(old: str, new: str) -> None:
    assert normalise_pay_code(old) == new


def ask(code: str, number: str = "P20261122CODE01", amount_fen: int = 900) -> Ask:
    return Ask(
        out_trade_no=number,
        way=Way.code,
        amount_fen=amount_fen,
        description="青禾茶铺 & <收款>",
        notify_url="",
        asked_at=AT,
        expires_at=AT + timedelta(minutes=15),
        appid=MINI,
        auth_code=code,
    )


def asked(number: str = "P20261122CODE01") -> Asked:
    return Asked(number, Way.code, 900, AT, MINI)


@pytest.fixture
def running(base_settings: Settings, shop: Shop) -> Iterator[live.Live]:
    with live.running(base_settings, deliver=shop) as sandbox:
        yield sandbox


def v2_account(running: live.Live, merchant_keys: keys.Keys) -> config.PayMerchant:
    merchant = running.world.settings.merchants[MCHID]
    return config.PayMerchant(
        mchid=MCHID,
        serial_no=merchant_keys.merchant_serial,
        private_key_path=merchant_keys.merchant_key,
        api_v3_key=SecretStr(merchant.api_v3_key),
        code_pay="v2",
        api_v2_key=SecretStr(merchant.api_v2_key),
        client_certificate_path=merchant_keys.merchant_certificate,
    )


def codes_at(bases: list[str], account: config.PayMerchant) -> CodesV2:
    v2 = pay_v2.PayV2(account, Http(), PayHosts(bases), read_seconds=2)
    return CodesV2(v2, account)


@pytest.fixture
def codes(running: live.Live, merchant_keys: keys.Keys) -> CodesV2:
    return codes_at([running.url], v2_account(running, merchant_keys))


def shown(running: live.Live, *, asks_password: bool = False) -> str:
    person = running.world.people.get("aqing")
    person.asks_password = asks_password
    return running.world.pay_codes.new(person)


def answer_phone(running: live.Live, outcome: str) -> None:
    person = running.world.people.get("aqing")
    phone_codes.answer(running.world, person, "P20261122CODE01", outcome)


def balance(running: live.Live) -> int:
    return running.world.people.get("aqing").balance_fen


def test_a_small_sum_is_paid_at_once(running: live.Live, codes: CodesV2) -> None:
    opening = codes.pay(ask(shown(running)))

    assert opening.show is Show.done
    assert opening.transaction is not None
    assert (opening.transaction.state, opening.transaction.amount_fen) == ("SUCCESS", 900)
    assert opening.transaction.account == MCHID
    assert opening.transaction.payer.startswith("o")
    assert balance(running) == 100_000 - 900
    known = codes.query(asked())
    assert known == opening.transaction


def test_a_password_is_waited_for(running: live.Live, codes: CodesV2) -> None:
    assert codes.pay(ask(shown(running, asks_password=True))).show is Show.waiting
    waiting = codes.query(asked())
    assert waiting is not None
    assert (waiting.state, waiting.is_paid, waiting.is_over) == ("USERPAYING", False, False)

    answer_phone(running, "ok")

    paid = codes.query(asked())
    assert paid is not None
    assert (paid.state, paid.amount_fen) == ("SUCCESS", 900)


def test_whoever_does_not_type_it_has_not_paid(running: live.Live, codes: CodesV2) -> None:
    codes.pay(ask(shown(running, asks_password=True)))
    answer_phone(running, "cancel")

    over = codes.query(asked())

    assert over is not None
    assert over.is_over
    assert balance(running) == 100_000


def test_what_is_taken_back_is_not_paid(running: live.Live, codes: CodesV2) -> None:
    codes.pay(ask(shown(running)))

    codes.reverse(asked())
    codes.reverse(asked())

    known = codes.query(asked())
    assert known is not None
    assert (known.state, balance(running)) == ("REVOKED", 100_000)


def test_nobody_knows_a_number_that_was_never_asked(codes: CodesV2) -> None:
    assert codes.query(asked("P20261122NEVER1")) is None
    codes.reverse(asked("P20261122NEVER1"))


@pytest.mark.parametrize(
    ("code", "refusal"),
    [("999999999999999999", "AUTH_CODE_INVALID"), ("130000000000000000", "AUTH_CODE_ERROR")],
)
def test_a_wrong_code_is_a_no(codes: CodesV2, code: str, refusal: str) -> None:
    with pytest.raises(PayError) as caught:
        codes.pay(ask(code))
    assert (caught.value.pay_code, caught.value.transient) == (refusal, False)
    assert codes.query(asked()) is None


def test_a_payer_without_money_is_a_no_for_good(running: live.Live, codes: CodesV2) -> None:
    running.world.people.get("aqing").balance_fen = 100
    with pytest.raises(PayError) as caught:
        codes.pay(ask(shown(running)))
    assert (caught.value.pay_code, caught.value.transient) == ("PAYER_NOT_ENOUGH", False)


@pytest.mark.parametrize("kind", ["drop_after", "wrong_signature", "error"])
def test_an_answer_that_cannot_be_believed_may_be_a_yes(
    running: live.Live, codes: CodesV2, kind: str
) -> None:
    running.world.faults.add({"api": "pay.micropay", "kind": kind})

    with pytest.raises(WechatUnavailable) as caught:
        codes.pay(ask(shown(running)))

    assert caught.value.sent
    known = codes.query(asked())
    assert (known is not None and known.is_paid) is (kind != "error")


def test_another_host_is_asked_when_the_first_is_down(
    running: live.Live, merchant_keys: keys.Keys
) -> None:
    account = v2_account(running, merchant_keys)
    codes = codes_at(["http://127.0.0.1:9", running.url], account)

    assert codes.pay(ask(shown(running))).show is Show.done


def test_a_payment_that_may_have_been_taken_is_not_asked_again_elsewhere(
    running: live.Live, merchant_keys: keys.Keys
) -> None:
    codes = codes_at([running.url, running.url + "/"], v2_account(running, merchant_keys))
    running.world.faults.add({"api": "pay.micropay", "kind": "drop_after"})

    with pytest.raises(WechatUnavailable):
        codes.pay(ask(shown(running)))

    assert [entry["api"] for entry in running.world.feed.after()].count("pay.micropay") == 1


def test_a_query_is_asked_again_elsewhere(running: live.Live, merchant_keys: keys.Keys) -> None:
    codes = codes_at([running.url, running.url], v2_account(running, merchant_keys))
    codes.pay(ask(shown(running)))
    running.world.faults.add({"api": "pay.orderquery", "kind": "drop_before"})

    known = codes.query(asked())

    assert known is not None
    assert known.is_paid


def test_a_host_that_failed_is_left_alone_for_a_while() -> None:
    hosts, seen = PayHosts(["http://one", "http://two/"]), []

    def send(base: str) -> object:
        seen.append(base)
        if base == "http://one":
            raise NoAnswer("down", sent=False)
        return "answer"

    assert hosts.ask(send, repeatable=True) == "answer"  # type: ignore[arg-type,comparison-overlap]
    assert hosts.ask(send, repeatable=True) == "answer"  # type: ignore[arg-type,comparison-overlap]
    assert seen == ["http://one", "http://two", "http://two"]


def test_a_slow_host_is_not_followed_by_another() -> None:
    hosts, seen = PayHosts(["http://one", "http://two"]), []

    def send(base: str) -> object:
        seen.append(base)
        raise NoAnswer("slow", sent=True, slow=True)

    with pytest.raises(NoAnswer):
        hosts.ask(send, repeatable=True)  # type: ignore[arg-type]
    with pytest.raises(NoAnswer):
        hosts.ask(send, repeatable=True)  # type: ignore[arg-type]
    assert seen == ["http://one", "http://two"]


@pytest.mark.parametrize(
    "answer",
    [
        b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><return_code>&a;</return_code></xml>',
        b"<xml>",
        b"not xml at all",
    ],
)
def test_what_anybody_could_have_written_is_no_answer(
    answer: bytes, merchant_keys: keys.Keys, running: live.Live
) -> None:
    def reply(call: Call) -> Reply:
        return 200, {}, answer

    with FakeWechat(reply) as fake:
        codes = codes_at([fake.base], v2_account(running, merchant_keys))
        with pytest.raises(WechatUnavailable):
            codes.query(asked())


def write_host_certificate(path: Path, key_path: Path) -> None:
    """Of 127.0.0.1, by itself."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.now(UTC) - timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(private_pem(key))


class _Seen(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(self.connection.getpeercert())  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_merchants_certificate_is_shown_to_whoever_asks(
    merchant_keys: keys.Keys, tmp_path: Path
) -> None:
    mine = (merchant_keys.merchant_certificate, merchant_keys.merchant_key)
    theirs = (tmp_path / "host.pem", tmp_path / "host.key")
    write_host_certificate(*theirs)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*theirs)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(merchant_keys.merchant_certificate)
    server = HTTPServer(("127.0.0.1", 0), _Seen)
    server.seen = []  # type: ignore[attr-defined]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{server.server_port}/secapi/pay/reverse"

    answer = Http(identity=mine, authorities=str(theirs[0])).send(
        "POST", url, body=b"<xml/>", read_seconds=2
    )
    with pytest.raises(NoAnswer):
        Http(authorities=str(theirs[0])).send("POST", url, body=b"<xml/>", read_seconds=2)

    server.shutdown()
    thread.join()
    server.server_close()
    assert answer.status == 200
    assert len(server.seen) == 1  # type: ignore[attr-defined]
