"""What the sandbox knows of the accounts: read from the backend's own TOML file."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox import channel_settings
from sandbox import keys as key_files

MODES = ("plain", "compatible", "safe")


@dataclass(frozen=True, kw_only=True)
class Account:
    """An official account or a mini-program."""

    appid: str
    kind: str
    secret: str
    name: str
    token: str = ""
    encoding_aes_key: str = ""
    merchant: str | None = None
    origin_id: str = ""
    mode: str = "safe"
    templates: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def original_id(self) -> str:
        return self.origin_id or "gh_" + hashlib.sha256(self.appid.encode()).hexdigest()[:12]

    @property
    def callback_path(self) -> str:
        return f"/wechat/{'official' if self.kind == 'official' else 'miniprogram'}/{self.appid}"


@dataclass(frozen=True, kw_only=True)
class Merchant:
    mchid: str
    serial_no: str
    public_key: rsa.RSAPublicKey
    api_v3_key: str
    public_key_id: str | None = None
    merchant: str | None = None
    name: str = ""
    provider: str = ""  # of a brand: the service provider that may act for it
    api_v2_key: str = ""
    subs: frozenset[str] = frozenset()  # the merchants that this service provider looks after


@dataclass(frozen=True)
class Former:
    serial: str
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, kw_only=True)
class Platform:
    """WeChat Pay's own keys: the certificate and the newer public key are two pairs."""

    certificate_key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    serial: str
    public_key_private: rsa.RSAPrivateKey
    public_key_id: str
    former: tuple["Former", ...] = ()  # certificates that count beside the newest for a while

    @classmethod
    def of(cls, keys: key_files.Keys) -> "Platform":
        return cls(
            certificate_key=key_files.load_private_key(keys.platform_key),
            certificate=x509.load_pem_x509_certificate(keys.platform_certificate.read_bytes()),
            serial=keys.platform_serial,
            public_key_private=key_files.load_private_key(keys.public_key_private),
            public_key_id=keys.public_key_id,
        )

    @property
    def certificates(self) -> list[Former]:
        """Those that count, the newest first."""
        newest = Former(self.serial, self.certificate_key, self.certificate)
        return [newest, *self.former]

    def renewed(self) -> "Platform":
        """With a new certificate in front; what is signed from now on is signed by it."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = key_files.make_certificate(key, "Tenpay.com sandbox")
        return replace(
            self,
            certificate_key=key,
            certificate=certificate,
            serial=f"{certificate.serial_number:040X}",
            former=tuple(self.certificates),
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    accounts: Mapping[str, Account]
    merchants: Mapping[str, Merchant]
    platform: Platform
    channels: channel_settings.Channels = channel_settings.NONE
    brands: Mapping[str, Merchant] = field(default_factory=dict)  # signs as one, under its brand_id
    push_base: str = "http://127.0.0.1:8000"
    sandbox_url: str = ""
    push_timeout: float = 5.0
    push_tries: int = 3
    mini_format: str = "json"
    send_events: bool = True  # "…SENDJOBFINISH" and "subscribe_msg_sent_event" after every message
    token_seconds: int = 7200
    retry_scale: float = 1.0
    signtest_every: int = 0
    mixed_keys: bool = False
    refund_seconds: float = 1.0
    refund_gap_seconds: float = 60.0
    code_password_fen: int = 20_000  # above it a payer's code asks for the password
    trade_known_seconds: float = 0.0  # until a payment can be told as shipped
    template_fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    template_titles: Mapping[str, str] = field(default_factory=dict)
    clock_file: Path | None = None  # shared with the backend: both run on the same clock
    state_path: Path | None = None

    def payee(self, id_: str) -> Merchant:
        """A merchant or a brand. Raises KeyError."""
        return self.merchants[id_] if id_ in self.merchants else self.brands[id_]

    def knows_host(self, url: str) -> bool:
        """Whether `url` leads to this machine, to the shop or to the sandbox itself."""
        try:
            host = urlsplit(url).hostname
        except ValueError:
            return False
        own = (urlsplit(each).hostname for each in (self.push_base, self.sandbox_url))
        return host is not None and host in {"127.0.0.1", "localhost", "::1", *own}


def load(path: Path | str, *, keys: Path | str | None = None, state: str | None = None) -> Settings:
    """Read the shop's configuration. Relative paths in it are relative to the working directory."""
    data = tomllib.loads(Path(path).read_text("utf-8"))
    return from_mapping(data, keys=keys, state=state)


def from_mapping(
    data: Mapping[str, Any], *, keys: Path | str | None = None, state: str | None = None
) -> Settings:
    app, wechat = data.get("app", {}), data.get("wechat", {})
    own = dict(data.get("sandbox", {}))
    files = key_files.ensure(keys or own.get("keys", "var/keys"))
    mode = own.get("mode", "safe")
    if mode not in MODES:
        raise ValueError(f"sandbox.mode must be one of {', '.join(MODES)}")
    accounts: dict[str, Account] = {}
    for kind, section, key in (
        ("official", "official_accounts", "templates"),
        ("mini", "mini_programs", "subscribe_templates"),
        ("website", "websites", ""),
    ):
        for row in wechat.get(section, []):
            accounts[row["appid"]] = Account(
                appid=row["appid"],
                kind=kind,
                secret=row["secret"],
                name=row.get("name") or "公众号",
                origin_id=row.get("origin_id", ""),
                token=row.get("token", ""),
                encoding_aes_key=row.get("encoding_aes_key", ""),
                merchant=row.get("merchant"),
                mode=mode if row.get("encoding_aes_key") else "plain",
                templates=row.get(key, {}),
            )
    merchants: dict[str, Merchant] = {}
    for row in wechat.get("pay_merchants", []):
        merchant = _merchant(row, own.get("payee", ""))
        same = merchants.get(merchant.mchid)
        merchants[merchant.mchid] = _together(same, merchant) if same else merchant
    brands = {
        row["brand_id"]: _merchant(
            {**row, "mchid": row["brand_id"]}, own.get("payee", ""), row.get("mchid", "")
        )
        for row in wechat.get("brands", [])
    }
    for row in wechat.get("brands", []):
        if "mchid" in row:  # a provider that takes no payments here signs all the same
            merchants.setdefault(row["mchid"], _merchant(row, own.get("payee", "")))
    templates = own.get("templates", {})
    known = {name: own[name] for name in _PLAIN if name in own}
    return Settings(
        accounts=accounts,
        merchants=merchants,
        platform=Platform.of(files),
        brands=brands,
        channels=channel_settings.from_mapping(data, files.directory, own.get("payee", "")),
        push_base=own.get("push_base") or app.get("base_url", Settings.push_base),
        sandbox_url=app.get("sandbox_url") or "",
        clock_file=Path(app["clock_file"]) if "clock_file" in app else None,
        template_fields={key: row.get("fields", {}) for key, row in templates.items()},
        template_titles={key: row.get("title", "") for key, row in templates.items()},
        state_path=Path(state) if state else None,
        **known,
    )


_PLAIN = (
    "push_timeout",
    "push_tries",
    "mini_format",
    "send_events",
    "token_seconds",
    "retry_scale",
    "signtest_every",
    "mixed_keys",
    "refund_seconds",
    "refund_gap_seconds",
    "code_password_fen",
    "trade_known_seconds",
)


def _merchant(row: Mapping[str, Any], name: str, provider: str = "") -> Merchant:
    private = key_files.load_private_key(Path(row["private_key_path"]))
    return Merchant(
        mchid=row["mchid"],
        serial_no=row["serial_no"],
        public_key=private.public_key(),
        api_v3_key=row["api_v3_key"],
        public_key_id=row.get("public_key_id"),
        merchant=row.get("merchant"),
        name=name or row["mchid"],
        provider=provider,
        api_v2_key=row.get("api_v2_key", ""),
        subs=frozenset(filter(None, [row.get("sub_mchid")])),
    )


def _together(known: Merchant, other: Merchant) -> Merchant:
    """One service provider that looks after several."""
    owner = known.merchant if known.merchant == other.merchant else None
    v2_key = known.api_v2_key or other.api_v2_key
    return replace(known, subs=known.subs | other.subs, merchant=owner, api_v2_key=v2_key)
