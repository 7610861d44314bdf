"""Configuration: one TOML file, overridden by `LINLI_<SECTION>__<KEY>`, validated whole at start.

Nothing else reads the environment. What is wrong is reported all at once, each with its key. There
are no default secrets: outside the demo a missing one stops the start.
"""

import base64
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from click import ClickException
from flask import current_app
from pydantic import (
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from core.config_channels import Alipay, UnionPay
from core.config_section import Origin, Section

Appid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{6,64}$")]
CardStep = Literal["paid", "accepted", "preparing", "ready", "completed", "cancelled"]
PAY_BASE, PAY_BACKUP = "https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com"


class ConfigError(ClickException):
    """The configuration is not usable. `problems` maps each key to what was expected.

    Flask's commands print it as it is, without a traceback.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {key}: {why}" for key, why in sorted(problems.items()))
        super().__init__(f"The configuration is not usable:\n{lines}")


class App(Section):
    base_url: Origin = "http://127.0.0.1:8000"
    secret_key: SecretStr
    encryption_keys: list[SecretStr] = Field(min_length=1)
    demo: bool = False
    docs: bool | None = None
    sandbox_url: Origin | None = None
    clock_file: Path | None = None
    trusted_proxies: int = Field(default=0, ge=0, le=5)
    max_body_bytes: int = Field(default=1_048_576, ge=1_024)
    var: Path = Path("var")

    @property
    def shows_docs(self) -> bool:
        """Whether /docs and /openapi.json answer: unless said otherwise, in the demo only."""
        return self.demo if self.docs is None else self.docs

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("at least 32 characters")
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _are_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        for key in value:
            version, _, material = key.get_secret_value().partition(":")
            try:
                decoded = base64.b64decode(material, validate=True)
            except ValueError:
                decoded = b""
            if not version.isalnum() or len(version) > 8 or len(decoded) != 32:
                raise ValueError('each key is "<version>:<base64 of 32 bytes>"')
        return value

    @model_validator(mode="after")
    def _demo_only(self) -> Self:
        if (self.sandbox_url or self.clock_file) and not self.demo:
            raise ValueError("sandbox_url and clock_file are for the demo; set app.demo or remove")
        return self


class Database(Section):
    url: str = "sqlite:///var/linli.db"
    pool_size: int = Field(default=10, ge=1)


class Redis(Section):
    url: str = "embedded"


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Metrics(Section):
    """`/metrics` answers to this bearer token, and without one only to the machine itself."""

    token: SecretStr | None = Field(default=None, min_length=16)


class Limits(Section):
    """Every rate limit (`core.limits`) is multiplied by `scale`; 0 switches them off."""

    scale: float = Field(default=1.0, ge=0, le=1_000)


class Retention(Section):
    """For how many days what people wrote and what was written to them is kept (`messaging.tidy`).

    Nobody may answer a complaint about a chat that was forgotten after a week, and nothing needs
    one that is years old.
    """

    chat_days: int = Field(default=365, ge=30, le=3_650)
    words_days: int = Field(default=90, ge=14, le=3_650)


class Credentials(Section):
    appid: Appid
    secret: SecretStr
    name: str = ""  # for people who read the file, and the sandbox's screens
    token: SecretStr = SecretStr("")
    encoding_aes_key: SecretStr = SecretStr("")
    previous_encoding_aes_key: SecretStr = SecretStr("")  # still opens what WeChat sends
    mode: Literal["plain", "compatible", "safe"] | None = None
    merchant: str | None = None

    @property
    def callback_mode(self) -> Literal["plain", "compatible", "safe"]:
        """How WeChat pushes to us; what comes otherwise is refused."""
        if self.mode is not None:
            return self.mode
        return "safe" if self.encoding_aes_key.get_secret_value() else "plain"

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.mode in ("compatible", "safe") and not self.encoding_aes_key.get_secret_value():
            raise ValueError(f"mode {self.mode} needs encoding_aes_key")
        return self

    @field_validator("encoding_aes_key", "previous_encoding_aes_key")
    @classmethod
    def _is_aes_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) != 43:
            raise ValueError("must be the 43 characters that WeChat shows")
        return value


class OfficialAccount(Credentials):
    origin_id: str = ""  # only the sandbox reads it: callbacks say who they are for
    staff_tag: str = "店员"
    card_media_id: str = ""  # picture of the cards for coupons: permanent material; "": a link
    templates: dict[str, str] = {}


class Website(Section):
    """A web application of WeChat's Open Platform: people log in to our pages in any browser by
    scanning a code with their WeChat."""

    appid: Appid
    secret: SecretStr
    name: str = ""
    merchant: str | None = None


class ServiceCards(Section):
    """WeChat's own card of an order (服务卡片), by how it is handed over; none: no cards.

    `statuses` corrects WeChat's numbers of a card's steps, by kind; `image` stands for goods that
    have no picture at a public address.
    """

    pickup: Literal[2002, 2007] | None = None
    dine_in: Literal[2002, 2007] | None = None
    statuses: dict[Literal["2002", "2007"], dict[CardStep, int]] = {}
    image: str = ""


class MiniProgram(Credentials):
    subscribe_templates: dict[str, str] = {}
    service_cards: ServiceCards = ServiceCards()


def _of_32(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) != 32:
        raise ValueError("must be 32 characters")
    return value


class PayMerchant(Section):
    mchid: Annotated[str, StringConstraints(pattern=r"^\d{6,32}$")]
    serial_no: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{8,64}$")]
    private_key_path: Path
    api_v3_key: SecretStr
    public_key_id: str | None = None
    public_key_path: Path | None = None
    merchant: str | None = None
    sub_mchid: Annotated[str, StringConstraints(pattern=r"^\d{6,32}$")] | None = None
    native: bool = True
    h5: bool = False
    code_pay: Literal["v2", "v3"] | None = None
    api_v2_key: SecretStr | None = None
    client_certificate_path: Path | None = None

    @property
    def account(self) -> str:
        """What the books call it: a provider's number takes money for several, each its own."""
        return f"{self.mchid}-{self.sub_mchid}" if self.sub_mchid else self.mchid

    @property
    def keys(self) -> tuple[Any, ...]:
        """What WeChat gives to the number, whoever is served under it."""
        public = (self.public_key_id, self.public_key_path)
        return (self.serial_no, self.private_key_path, self.api_v3_key, *public)

    @model_validator(mode="after")
    def _name_fits(self) -> Self:
        if len(self.account) > 32:
            raise ValueError("mchid and sub_mchid have more than 31 digits together")
        return self

    @field_validator("api_v3_key", "api_v2_key")
    @classmethod
    def _is_32(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else _of_32(value)

    @model_validator(mode="after")
    def _codes_by_v2_need_its_keys(self) -> Self:
        if self.code_pay == "v2" and not (self.api_v2_key and self.client_certificate_path):
            raise ValueError('code_pay = "v2" needs api_v2_key and client_certificate_path')
        return self

    @model_validator(mode="after")
    def _one_key_mode(self) -> Self:
        if bool(self.public_key_id) != bool(self.public_key_path):
            raise ValueError("public_key_id and public_key_path go together")
        return self


class Brand(Section):
    """A brand of WeChat Pay's brand platform: it signs with a certificate of its own, and puts
    product coupons into card packs for people of `appid`, which must be bound to it there.

    With `mchid` a service provider acts for the brand: number, keys and certificate are its own,
    and every request names the brand.
    """

    brand_id: Annotated[str, StringConstraints(pattern=r"^\d{4,32}$")]
    mchid: Annotated[str, StringConstraints(pattern=r"^\d{6,32}$")] | None = None
    serial_no: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{8,64}$")]
    private_key_path: Path
    api_v3_key: SecretStr
    public_key_id: str
    public_key_path: Path
    appid: Appid
    merchant: str | None = None

    @field_validator("api_v3_key")
    @classmethod
    def _is_32(cls, value: SecretStr) -> SecretStr:
        return _of_32(value)


class Wechat(Section):
    api_base: Origin = "https://api.weixin.qq.com"
    pay_base: Origin = PAY_BASE
    pay_backup_base: Origin | None = None
    oauth_base: Origin = "https://open.weixin.qq.com"
    mp_base: Origin = "https://mp.weixin.qq.com"
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    sends_per_second: int = Field(default=200, ge=1, le=10_000)
    official_accounts: list[OfficialAccount] = []
    mini_programs: list[MiniProgram] = []
    websites: list[Website] = []
    pay_merchants: list[PayMerchant] = []
    brands: list[Brand] = []

    @property
    def pay_bases(self) -> list[str]:
        """WeChat Pay's own hosts stand in for each other; any other has the backup it is given."""
        backup = PAY_BACKUP if self.pay_base == PAY_BASE else None
        return [base for base in (self.pay_base, self.pay_backup_base or backup) if base]

    @property
    def accounts(self) -> list[OfficialAccount | MiniProgram | Website]:
        return [*self.official_accounts, *self.mini_programs, *self.websites]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        appids = [account.appid for account in self.accounts]
        accounts = [merchant.account for merchant in self.pay_merchants]
        brands = [brand.brand_id for brand in self.brands]
        for name, ids in (("appid", appids), ("mchid", accounts), ("brand_id", brands)):
            if len(ids) != len(set(ids)):
                raise ValueError(f"the same {name} stands twice")
        return self

    @model_validator(mode="after")
    def _one_number_one_use(self) -> Self:
        """A number is a merchant's own or a provider's, and WeChat gives it one set of keys."""
        first: dict[str, PayMerchant] = {}
        for each in self.pay_merchants:
            known = first.setdefault(each.mchid, each)
            if (known.sub_mchid is None) != (each.sub_mchid is None):
                raise ValueError(f"mchid {each.mchid} stands with a sub_mchid and without one")
            if known.keys != each.keys:
                raise ValueError(f"mchid {each.mchid} stands twice with different keys")
        return self


class Config(Section):
    app: App
    database: Database = Database()
    redis: Redis = Redis()
    logging: Logging = Logging()
    metrics: Metrics = Metrics()
    limits: Limits = Limits()
    retention: Retention = Retention()
    wechat: Wechat = Wechat()
    alipay: Alipay = Alipay()
    unionpay: UnionPay = UnionPay()
    sandbox: dict[str, Any] = Field(default={}, exclude=True)  # the sandbox's own; not read here

    @model_validator(mode="after")
    def _one_number_one_channel(self) -> Self:
        """What a channel says is bound to the number that it was asked under, so no two channels
        share one."""
        numbers = [
            *{each.mchid for each in self.wechat.pay_merchants},
            *(each.app_id for each in self.alipay.accounts),
            *(each.mer_id for each in self.unionpay.accounts),
        ]
        if len(numbers) != len(set(numbers)):
            raise ValueError("the same number stands under two payment channels")
        return self


def load(path: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file (default `LINLI_CONFIG` or `config.toml`) and the environment.

    Raises ConfigError that lists every problem.
    """
    environ = os.environ if environ is None else environ
    file = Path(path or environ.get("LINLI_CONFIG", "config.toml"))
    if not file.exists():
        hint = "copy config.example.toml and fill it in (demo: LINLI_CONFIG=var/demo/config.toml)"
        raise ConfigError({str(file): f"no such file; {hint}"})
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError({str(file): f"not TOML: {error}"}) from None
    return parse(_overridden(raw, environ))


def parse(raw: dict[str, Any]) -> Config:
    """A nested dict → Config. Raises ConfigError that lists every problem by its dotted key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        problems = {
            ".".join(str(part) for part in problem["loc"]) or "config": problem["msg"]
            for problem in error.errors(include_url=False, include_input=False)
        }
        raise ConfigError(problems) from None


def _overridden(raw: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """`LINLI_DATABASE__URL=…` replaces `database.url`; values are TOML where they parse as such."""
    for name, value in environ.items():
        section, separator, key = name.removeprefix("LINLI_").lower().partition("__")
        if name.startswith("LINLI_") and separator:
            raw.setdefault(section, {})[key] = _toml_value(value)
    return raw


def _toml_value(text: str) -> Any:
    if text[:1] not in '["{tf0123456789':
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def current_config() -> Config:
    """The running application's configuration."""
    config: Config = current_app.extensions["linli.config"]
    return config
