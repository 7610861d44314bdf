"""What the doctor asks of Alipay and UnionPay: keys that are there, our own, and in time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from cli.findings import Finding
from core import clock
from core.config import Config
from core.config_channels import AlipayAccount, UnionPayAccount

_SOON = timedelta(days=30)


def check_channels(config: Config) -> Iterator[Finding]:
    for app in config.alipay.accounts:
        name = f"支付宝应用 {app.app_id}"
        mode = "证书" if app.certificates else "密钥"
        url = f"{config.app.base_url}/pay/alipay/notify/{app.app_id}"
        yield Finding("ok", f"{name}（{mode}方式）的通知地址是 {url}")
        yield from _files(name, "开放平台的密钥工具", *_alipay_files(app))
        for path in app.certificates or ():
            yield from _certificates(name, path, clock.now())
    for merchant in config.unionpay.accounts:
        name = f"银联商户 {merchant.mer_id}"
        url = f"{config.app.base_url}/pay/unionpay/notify/{merchant.mer_id}"
        yield Finding("ok", f"{name}的通知地址是 {url}")
        yield from _files(
            name,
            "银联商户服务平台（CFCA 证书、acp_prod 根证书和中级证书）",
            merchant.certificate_path,
            merchant.root_certificate_path,
            merchant.middle_certificate_path,
        )
        yield from _pfx(name, merchant, clock.now())
        for path in (merchant.root_certificate_path, merchant.middle_certificate_path):
            yield from _certificates(name, path, clock.now())


def _alipay_files(app: AlipayAccount) -> list[Path]:
    """The private key first."""
    given = (app.private_key_path, app.public_key_path, *(app.certificates or ()))
    return [path for path in given if path is not None]


def _files(name: str, source: str, private: Path, *others: Path) -> Iterator[Finding]:
    for path in (private, *others):
        if not path.exists():
            yield Finding("fail", f"{name} 缺文件 {path}", f"从{source}取")
    if private.exists() and private.stat().st_mode & 0o077:
        yield Finding("warn", f"{private} 别人也能读", f"chmod 600 {private}")


def _certificates(name: str, path: Path, now: datetime) -> Iterator[Finding]:
    if not path.exists():
        return
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        yield Finding("fail", f"{name} 的 {path} 不是 PEM 证书", "重新下载")
        return
    yield from _dates(name, str(path), found[:1], now)


def _pfx(name: str, merchant: UnionPayAccount, now: datetime) -> Iterator[Finding]:
    path = merchant.certificate_path
    if not path.exists():
        return
    password = merchant.certificate_password.get_secret_value().encode()
    try:
        held = load_pkcs12(path.read_bytes(), password)
    except ValueError:
        yield Finding("fail", f"{name} 的 {path} 打不开", "certificate_password 对不对？")
        return
    if held.cert is None:
        yield Finding("fail", f"{name} 的 {path} 里没有证书", "从 CFCA 重新导出，带上证书")
    else:
        yield from _dates(name, str(path), [held.cert.certificate], now)


def _dates(
    name: str, what: str, certificates: list[x509.Certificate], now: datetime
) -> Iterator[Finding]:
    for each in certificates:
        until = each.not_valid_after_utc
        if not each.not_valid_before_utc <= now <= until:
            yield Finding("fail", f"{name} 的证书 {what} 不在有效期里", "换成现在有效的")
        elif until - now < _SOON:
            yield Finding("warn", f"{name} 的证书 {what} {until:%Y-%m-%d} 到期", "提前换好")
