"""The doctor on Alipay and UnionPay: keys that are missing, open to others, or out of time."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from cli.doctor_channels import check_channels
from core import clock, config
from core.config import Config
from sandbox import channel_keys, demo_config


@pytest.fixture(params=[False, True], ids=["keys", "certificates"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    path = demo_config.write(
        tmp_path / "config.toml",
        base_url="http://127.0.0.1:8000",
        sandbox_url="http://127.0.0.1:8001",
        directory=tmp_path,
        database_url="sqlite://",
        redis_url="redis://127.0.0.1:1/0",
        alipay_certificates=request.param,
    )
    return config.parse(tomllib.loads(path.read_text()))


def said(found: Config) -> list[str]:
    return [f"{each.level} {each.what}" for each in check_channels(found)]


def test_the_demo_is_in_order(demo: Config) -> None:
    assert [line.split()[0] for line in said(demo)] == ["ok", "ok"]
    assert "/pay/alipay/notify/2021004167890123" in said(demo)[0]
    assert "/pay/unionpay/notify/777290058110048" in said(demo)[1]


def test_what_is_missing_open_or_shut_is_named(demo: Config) -> None:
    app, merchant = demo.alipay.accounts[0], demo.unionpay.accounts[0]
    app.private_key_path.chmod(0o644)
    merchant.root_certificate_path.unlink()
    merchant.certificate_path.write_bytes(b"no PFX")
    lines = said(demo)
    assert f"warn {app.private_key_path} 别人也能读" in lines
    assert f"fail 银联商户 {merchant.mer_id} 缺文件 {merchant.root_certificate_path}" in lines
    assert f"fail 银联商户 {merchant.mer_id} 的 {merchant.certificate_path} 打不开" in lines


def test_a_certificate_near_its_end_is_named(demo: Config) -> None:
    path = demo.unionpay.accounts[0].middle_certificate_path
    key = rsa.generate_private_key(65537, 2048)
    now = clock.now()
    for days, level in ((10, "warn"), (-1, "fail")):
        start = now - timedelta(days=100)
        made = channel_keys.certificate("middle", key, start=start, days=100 + days)
        path.write_bytes(made.public_bytes(Encoding.PEM))
        assert next(line for line in said(demo) if str(path) in line).startswith(level)
    path.write_bytes(b"nothing")
    assert any("不是 PEM 证书" in line for line in said(demo))
