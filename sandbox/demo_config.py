"""A complete configuration of the backend for the demo and the tests, keys included."""

import base64
import json
import secrets
import string
from pathlib import Path
from typing import Any

from sandbox import channel_keys
from sandbox import keys as key_files

WEBSITE = "wx5d2f08b71c9e3a46"
PROVIDER, SUB_MCHID = "1900009009", "1900007001"
"""Through whom the demo's shop was paid before it had a number of its own, and its own number
there."""
OFFICIAL, MINI, MCHID, MERCHANT = (
    "wx7c3e1a905b2d4f60",
    "wxa41f0c6d8e2b7593",
    key_files.MERCHANT_ID,
    "qinghe",
)
SUBSCRIBE_TEMPLATES = {
    "order_ready": "Rk3vQmZt0pXhJ9sYw2LcB7nUfE5aGdOiK1xTqVzM8rA",
    "coupon_arrived": "Tn8bWcKe4yPjQ1mUz6HsD3gRvX0oLfAiC7xJwNkY2tE",
    "coupon_expiring": "Gp4dYzRk7uHsN2vLx9TqB5wMfC1eJaOiV8nXrKoZ6yP",
}
TEMPLATES = {
    "order_ready": "Uc5xLwMh7aRkV2qTz9JdF0nSgY3eBpOiK6tXyGjN1vQ",
    "coupon_arrived": "Wf2zPnQj8cTmX4rVb1KeG6oUhA9dDsLiM3wYtHkR5yB",
    "new_order": "Xh4qSoTk1eVnZ7sWd3MfJ8pViB2gEuNkO5yAvKmU9zC",
}
NAME = "青禾茶铺"
TITLES = {
    "order_ready": "取餐提醒",
    "coupon_arrived": "优惠券到账提醒",
    "coupon_expiring": "优惠券到期提醒",
    "new_order": "新订单提醒",
}
FIELDS = {
    "order_ready": {"character_string1": "取餐号", "thing2": "商品", "thing3": "门店"},
    "coupon_arrived": {"thing1": "优惠券", "time2": "有效期至", "thing3": "说明"},
    "coupon_expiring": {"thing1": "优惠券", "time2": "有效期至", "thing3": "说明"},
    "new_order": {
        "character_string1": "取餐号",
        "thing2": "商品",
        "amount3": "金额",
        "time4": "付款时间",
    },
}


def write(
    path: Path | str,
    *,
    base_url: str,
    sandbox_url: str,
    directory: Path | str,
    database_url: str,
    redis_url: str,
    public_key_mode: bool = True,
    alipay_certificates: bool = False,
    sandbox: dict[str, Any] | None = None,
    card_media_id: str = "",
    sub_mchid: str = "",
    past: bool = False,
) -> Path:
    """Write the file and return its path. Keys under `directory` are made when missing and reused.

    With `sub_mchid` the shop's money comes in under that number, through a service provider; with
    `past` some of what the shop was paid before did.

    The application's secrets are random per directory and kept there, so that a second start reads
    what the first one encrypted.
    """
    target, folder = Path(path), Path(directory).absolute()
    keys = key_files.ensure(folder / "keys")
    own = _secrets(folder / "secrets.json")
    pay: dict[str, Any] = {
        "mchid": MCHID,
        "merchant": MERCHANT,
        "serial_no": keys.merchant_serial,
        "private_key_path": str(keys.merchant_key),
        "api_v3_key": own["api_v3_key"],
        "h5": True,
        "code_pay": "v2",
        "api_v2_key": own["api_v2_key"],
        "client_certificate_path": str(keys.merchant_certificate),
    }
    if sub_mchid:
        pay["sub_mchid"] = sub_mchid
    if public_key_mode:
        pay |= {"public_key_id": keys.public_key_id, "public_key_path": str(keys.public_key)}
    sections: list[tuple[str, dict[str, Any]]] = [
        (
            "[app]",
            {
                "base_url": base_url,
                "secret_key": own["secret_key"],
                "encryption_keys": [own["encryption_key"]],
                "demo": True,
                "sandbox_url": sandbox_url,
                "clock_file": str(folder / "clock"),
                "var": str(folder),
            },
        ),
        ("[database]", {"url": database_url}),
        ("[redis]", {"url": redis_url}),
        (
            "[wechat]",
            {
                "api_base": sandbox_url,
                "pay_base": sandbox_url,
                "oauth_base": sandbox_url,
                "mp_base": sandbox_url,
            },
        ),
        (
            "[[wechat.official_accounts]]",
            {**_account(OFFICIAL, own), "templates": TEMPLATES, "card_media_id": card_media_id},
        ),
        (
            "[[wechat.mini_programs]]",
            {
                **_account(MINI, own),
                "subscribe_templates": SUBSCRIBE_TEMPLATES,
                "service_cards": {"pickup": 2007, "dine_in": 2007},
            },
        ),
        (
            "[[wechat.websites]]",
            {
                "appid": WEBSITE,
                "secret": own[f"{WEBSITE}.secret"],
                "name": NAME,
                "merchant": MERCHANT,
            },
        ),
        ("[[wechat.pay_merchants]]", pay),
        *([("[[wechat.pay_merchants]]", former_of(pay))] if past else []),
        (
            "[[wechat.brands]]",
            {
                "brand_id": key_files.BRAND_ID,
                "merchant": MERCHANT,
                "appid": MINI,
                "serial_no": keys.brand_serial,
                "private_key_path": str(keys.brand_key),
                "api_v3_key": own["api_v3_key"],
                "public_key_id": keys.public_key_id,
                "public_key_path": str(keys.public_key),
            },
        ),
        *_channels(sandbox_url, keys.directory, certificates=alipay_certificates),
        ("[sandbox]", {"keys": str(keys.directory), "payee": NAME, **(sandbox or {})}),
    ]
    for templates in (SUBSCRIBE_TEMPLATES, TEMPLATES):
        for name, template_id in templates.items():
            section = f"[sandbox.templates.{template_id}]"
            sections.append((section, {"title": TITLES[name], "fields": FIELDS[name]}))
    text = "# Written by the demo: accounts of the sandbox, no real ones.\n"
    for head, values in sections:
        lines = [f"{json.dumps(key)} = {_toml(value)}" for key, value in values.items()]
        text += "\n" + "\n".join([head, *lines]) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    target.chmod(0o600)
    return target


def former_of(pay: dict[str, Any]) -> dict[str, Any]:
    """The number that the shop had before, under the keys of the one it has."""
    shared = ("merchant", "serial_no", "private_key_path", "api_v3_key")
    named = (*shared, "public_key_id", "public_key_path")
    own = {key: pay[key] for key in named if key in pay}
    return {**own, "mchid": PROVIDER, "sub_mchid": SUB_MCHID}


def _account(appid: str, own: dict[str, str]) -> dict[str, Any]:
    return {
        "appid": appid,
        "name": NAME,
        "secret": own[f"{appid}.secret"],
        "token": own[f"{appid}.token"],
        "encoding_aes_key": own[f"{appid}.aes"],
        "merchant": MERCHANT,
    }


def _channels(
    sandbox_url: str, folder: Path, *, certificates: bool
) -> list[tuple[str, dict[str, Any]]]:
    """Alipay in key mode or with certificates, and UnionPay: both played by the sandbox."""
    alipay, acp = channel_keys.ensure_alipay(folder), channel_keys.ensure_acp(folder)
    app: dict[str, Any] = {
        "app_id": channel_keys.APP_ID,
        "seller_id": channel_keys.SELLER_ID,
        "merchant": MERCHANT,
        "private_key_path": str(alipay.app_key),
    }
    if certificates:
        app |= {
            "app_certificate_path": str(alipay.app_certificate),
            "alipay_certificate_path": str(alipay.platform_certificate),
            "root_certificate_path": str(alipay.roots),
        }
    else:
        app["public_key_path"] = str(alipay.public_key)
    merchant = {
        "mer_id": channel_keys.MER_ID,
        "merchant": MERCHANT,
        "certificate_path": str(acp.merchant_pfx),
        "certificate_password": channel_keys.PFX_PASSWORD,
        "root_certificate_path": str(acp.root),
        "middle_certificate_path": str(acp.middle),
    }
    return [
        ("[alipay]", {"gateway": f"{sandbox_url}/alipay/gateway.do"}),
        ("[[alipay.accounts]]", app),
        (
            "[unionpay]",
            {"gateway": f"{sandbox_url}/unionpay/api", "files": f"{sandbox_url}/unionpay/files"},
        ),
        ("[[unionpay.accounts]]", merchant),
    ]


def _secrets(path: Path) -> dict[str, str]:
    kept: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    fresh = {
        "secret_key": secrets.token_urlsafe(48),
        "encryption_key": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "api_v3_key": _letters(32),
        "api_v2_key": _letters(32),
        f"{WEBSITE}.secret": secrets.token_hex(16),
    }
    for appid in (OFFICIAL, MINI):
        fresh[f"{appid}.secret"] = secrets.token_hex(16)
        fresh[f"{appid}.token"] = _letters(16)
        fresh[f"{appid}.aes"] = base64.b64encode(secrets.token_bytes(32)).decode()[:43]
    every = {**fresh, **kept}  # what a newer version needs is added, the rest stays
    if every != kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(every, indent=1), "utf-8")
    return every


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
