"""`doctor`: what is wrong with this installation, in plain words, with what to do about it."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import click
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

import gateways
from cli.doctor_channels import check_channels
from cli.doctor_recon import check_recon
from cli.doctor_settlement import check_settlement
from cli.doctor_shipping import check_shipping
from cli.findings import Finding
from cli.placeholders import list_placeholders, list_weak_keys
from core import clock
from core.config import Config, current_config
from core.crypto import Unreadable, keyring
from core.database import db, reading
from core.outbox import JobState, OutboxJob
from core.redis import is_available
from coupons.pack.models import CardPack, PackTemplate
from gateways.wechat.errors import WechatError, WechatUnavailable
from gateways.wechat.mini import MiniProgram
from gateways.wechat.official import OfficialAccount
from merchants.models import Merchant
from merchants.passwords import list_published

Check = Callable[[Config], Iterator[Finding]]
LATEST_COMPARISON = timedelta(days=2)


def check_mode(config: Config) -> Iterator[Finding]:
    """A demo is no shop: its WeChat is the sandbox, its passwords are printed for everybody."""
    hosts = config.wechat
    if config.app.demo:
        yield Finding(
            "warn",
            f"这是演示：微信和微信支付由沙箱扮演（{hosts.api_base}），收不到真钱，密码人人知道",
            "正式营业设 app.demo = false，用自己的账号和一个新数据库",
        )
        return
    for name in ("api_base", "pay_base", "oauth_base", "mp_base"):
        given = getattr(hosts, name)
        if given != type(hosts).model_fields[name].default:
            yield Finding(
                "warn", f"wechat.{name} 不是微信的地址：{given}", "除非走自己的代理，删掉这一项"
            )
    try:
        with reading() as session:
            names = list_published(session)
    except SQLAlchemyError:
        return
    if names:
        advice = "在「门店与员工」里停用，或换掉密码；用这个密码登录已经会被拒绝"
        yield Finding("warn", f"库里有演示账号，密码是公开的：{'、'.join(names)}", advice)


def check_address(config: Config) -> Iterator[Finding]:
    if config.app.demo:
        return
    if not config.app.base_url.startswith("https://"):
        yield Finding(
            "fail", f"app.base_url 不是 https：{config.app.base_url}", "微信只回调 https，先配证书"
        )
    else:
        host = urlsplit(config.app.base_url).hostname or ""
        try:
            socket.getaddrinfo(host, 443)
            yield Finding("ok", f"域名 {host} 能解析")
        except OSError:
            yield Finding("fail", f"域名 {host} 解析不了", "到域名商那里加一条 A 记录")


def check_proxies(config: Config) -> Iterator[Finding]:
    if config.app.base_url.startswith("https://") and config.app.trusted_proxies == 0:
        yield Finding(
            "warn",
            "app.base_url 是 https，app.trusted_proxies 却是 0：前面有反向代理的话，"
            "人人都算同一个地址，限流和登录锁定会误伤",
            "设成前面代理的层数，一般是 1",
        )


def check_keys(config: Config) -> Iterator[Finding]:
    for key in list_placeholders(config):
        yield Finding(
            "fail", f"{key} 还是示例文件里的占位值", "换成自己的，看 README 的「上线」一节"
        )
    for version in list_weak_keys(config):
        advice = 'python3 -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"'
        yield Finding("fail", f"数据加密密钥 {version} 不是随机生成的", advice)
    ring = keyring()
    try:
        opened = ring.open(ring.seal("linli")) == "linli"
    except Unreadable:
        opened = False
    yield Finding("ok" if opened else "fail", f"数据加密密钥 {len(config.app.encryption_keys)} 把")
    files: list[tuple[str, Path, Path | None]] = [
        (f"商户号 {each.mchid}", each.private_key_path, each.public_key_path)
        for each in {each.mchid: each for each in config.wechat.pay_merchants}.values()
    ]
    files += [
        (f"品牌 {each.brand_id}", each.private_key_path, each.public_key_path)
        for each in config.wechat.brands
    ]
    for each in config.wechat.pay_merchants:
        if (shown := each.client_certificate_path) and not shown.exists():
            what = f"商户号 {each.account} 缺文件 {shown}"
            yield Finding("fail", what, "从商户平台下载；没有它，付款码收的钱撤不回来")
    for name, private, public in files:
        for path in filter(None, (private, public)):
            if not path.exists():
                yield Finding("fail", f"{name} 缺文件 {path}", "从商户平台或品牌经营平台下载")
            elif path.stat().st_mode & 0o077 and path == private:
                yield Finding("warn", f"{path} 别人也能读", f"chmod 600 {path}")


def check_accounts(config: Config) -> Iterator[Finding]:
    wechat = config.wechat
    for kind, found in (
        ("公众号", wechat.official_accounts),
        ("小程序", wechat.mini_programs),
        ("商户号", wechat.pay_merchants),
    ):
        if found:
            yield Finding("ok", f"{kind} {len(found)} 个")
        else:
            yield Finding("warn", f"没有配置{kind}", "看 README 的「上线」一节")
    for account in wechat.official_accounts:
        url = f"{config.app.base_url}/wechat/official/{account.appid}"
        yield Finding("ok", f"公众号 {account.appid} 的回调地址是 {url}")
    for push in (*wechat.official_accounts, *wechat.mini_programs):
        if push.previous_encoding_aes_key.get_secret_value():
            advice = "公众平台改完密钥一周后，删掉 previous_encoding_aes_key"
            yield Finding("warn", f"{push.appid} 上一个 EncodingAESKey 还收", advice)
        if push.callback_mode == "plain" and push.token.get_secret_value():
            advice = "在公众平台改成安全模式，填 encoding_aes_key"
            yield Finding("warn", f"{push.appid} 的消息推送是明文模式", advice)
        elif push.callback_mode == "compatible":
            advice = "公众平台换成安全模式之后，把 mode 改成 safe"
            yield Finding("warn", f"{push.appid} 的消息推送是兼容模式，明文也收", advice)


def check_templates(config: Config) -> Iterator[Finding]:
    """Without a template a message waits for an open chat, and mostly nobody hears of it."""
    wechat = config.wechat
    advice = "选好模板，把编号填进配置；字段看 docs/operations.md 的 Message templates"
    for account in wechat.official_accounts:
        if "new_order" not in account.templates:
            what = "没有 new_order 模板，店员 48 小时没说过话就收不到新订单提醒"
            yield Finding("warn", f"公众号 {account.appid} {what}", advice)
    purposes = {
        "order_ready": "顾客收不到取餐提醒",
        "coupon_arrived": "活动只发得到 48 小时内说过话的人",
    }
    for mini in wechat.mini_programs:
        for purpose, loss in purposes.items():
            if purpose not in mini.subscribe_templates:
                what = f"小程序 {mini.appid} 没有 {purpose} 订阅消息模板，{loss}"
                yield Finding("warn", what, advice)
        cards = mini.service_cards
        if (cards.pickup or cards.dine_in) and not (cards.image or config.app.demo):
            what = f"小程序 {mini.appid} 开了服务卡片，没有图的商品微信会拒收"
            yield Finding("warn", what, "在 service_cards.image 填一张公开的图片地址")


def check_merchants(config: Config) -> Iterator[Finding]:
    """An account of a merchant that nobody wrote into the database is nobody's."""
    try:
        with reading() as session:
            known = set(session.scalars(select(Merchant.code)))
    except SQLAlchemyError:
        return
    if not known:
        yield Finding("warn", "库里还没有商家", "看 README「上线」的最后一步")
        return
    wechat = config.wechat
    for name, owner in (
        *((account.appid, account.merchant) for account in wechat.official_accounts),
        *((account.appid, account.merchant) for account in wechat.mini_programs),
        *((account.account, account.merchant) for account in wechat.pay_merchants),
        *((f"品牌 {brand.brand_id}", brand.merchant) for brand in wechat.brands),
        *((f"支付宝 {each.app_id}", each.merchant) for each in config.alipay.accounts),
        *((f"银联 {each.mer_id}", each.merchant) for each in config.unionpay.accounts),
    ):
        if owner is not None and owner not in known:
            advice = f"改成商家的 code：{'、'.join(sorted(known))}"
            yield Finding("fail", f'{name} 的 merchant = "{owner}" 不在库里', advice)


def check_card_pack(config: Config) -> Iterator[Finding]:
    """WeChat's card pack: the switch in the database beside the brands in the configuration."""
    brands = {brand.merchant: brand for brand in config.wechat.brands}
    minis = {mini.appid for mini in config.wechat.mini_programs}
    for brand in config.wechat.brands:
        if brand.appid not in minis:
            what = f"品牌 {brand.brand_id} 的 appid {brand.appid} 不是这里的小程序"
            yield Finding("fail", what, "改成已配置、并在品牌经营平台绑定了的小程序")
    try:
        with reading() as session:
            packs = dict(
                session.execute(
                    select(Merchant.code, CardPack)
                    .join(CardPack, CardPack.merchant_id == Merchant.id)
                    .where(CardPack.is_on)
                ).all()
            )
            sick = session.scalars(
                select(PackTemplate).where(
                    PackTemplate.merchant_id.in_([pack.merchant_id for pack in packs.values()]),
                    PackTemplate.why != "",
                )
            ).all()
    except SQLAlchemyError:
        return
    for code in packs.keys() - brands.keys():
        what = f"{code} 打开了微信卡包，配置里却没有它的品牌：卡包里的券不再跟着变"
        yield Finding("fail", what, "在 wechat.brands 里补上，或在「优惠 → 微信卡包」关上")
    for owner, brand in brands.items():
        code = owner or ""
        pack = packs.get(code)
        if pack is None:
            yield Finding("ok", f"品牌 {brand.brand_id} 配好了，微信卡包没有打开")
        elif pack.compared_at is None or clock.now() - pack.compared_at > LATEST_COMPARISON:
            what = f"{code} 的微信卡包两天没有和微信对过"
            yield Finding("warn", what, "看 scheduler 和 bulk 队列的 worker 在不在")
        else:
            yield Finding("ok", f"{code} 的微信卡包开着，每天和微信对")
    for batch in sick:
        where = "「优惠 → 微信卡包」"
        yield Finding("warn", f"卡包里的券（模板 {batch.template_id}）：{batch.why}", f"看{where}")


def check_clock(_config: Config) -> Iterator[Finding]:
    began = time.monotonic()
    try:
        with reading() as session:
            at = session.scalar(select(func.current_timestamp()))
    except SQLAlchemyError:
        return
    took = time.monotonic() - began
    yield Finding("ok", f"数据库应答 {took * 1000:.0f} 毫秒，时间 {at}")


def check_database(config: Config) -> Iterator[Finding]:
    try:
        with db.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_heads()
            dialect = connection.dialect.name
            if dialect != "sqlite":
                charset = connection.execute(text("SELECT @@character_set_database")).scalar()
                if charset != "utf8mb4":
                    advice = "ALTER DATABASE … CHARACTER SET utf8mb4"
                    yield Finding("fail", f"数据库字符集是 {charset}", advice)
    except SQLAlchemyError as error:
        yield Finding("fail", f"数据库连不上（{type(error).__name__}）", "检查 database.url 和服务")
        return
    wanted = ScriptDirectory(str(current_app.extensions["migrate"].directory)).get_heads()
    if set(current) != set(wanted):
        yield Finding("fail", "表结构不是最新的", "flask --app app db upgrade")
    elif dialect == "sqlite" and not config.app.demo:
        yield Finding("warn", "用的是 SQLite", "正式营业请换 MariaDB 或 MySQL")
    else:
        yield Finding("ok", f"数据库 {dialect}，表结构最新")


def check_queue(_config: Config) -> Iterator[Finding]:
    if not is_available():
        advice = "点单和付款不受影响，但消息、任务都停着：启动 Redis"
        yield Finding("fail", "Redis 连不上", advice)
        return
    yield Finding("ok", "Redis 应答")
    late = clock.now() - timedelta(minutes=2)
    try:
        with reading() as session:
            waiting = session.scalar(
                select(func.count()).where(
                    OutboxJob.state == JobState.waiting, OutboxJob.run_at < late
                )
            )
            dead = session.scalar(select(func.count()).where(OutboxJob.state == JobState.dead))
    except SQLAlchemyError:
        return
    if waiting:
        advice = "启动 python -m tasks scheduler 和 python -m tasks worker"
        yield Finding("fail", f"{waiting} 个任务等了两分钟以上", advice)
    if dead:
        yield Finding("warn", f"{dead} 个任务多次失败已停", "看 outbox_jobs 里 state = dead 的行")
    if not waiting and not dead:
        yield Finding("ok", "任务没有积压")


def check_wechat(config: Config) -> Iterator[Finding]:
    """Ask each account for its access token: proves secret, allow-list and network at once."""
    wechat = gateways.wechat()
    clients: list[OfficialAccount | MiniProgram] = []
    clients += [wechat.official(account.appid) for account in config.wechat.official_accounts]
    clients += [wechat.mini(account.appid) for account in config.wechat.mini_programs]
    for client in clients:
        try:
            client.check()
            yield Finding("ok", f"{client.account.appid} 能拿到 access_token")
        except (WechatError, WechatUnavailable) as error:
            advice = "核对 AppSecret，并把本机 IP 加进公众平台的白名单"
            yield Finding("fail", f"{client.account.appid} 拿不到 access_token：{error}", advice)


def check_pay(config: Config) -> Iterator[Finding]:
    """Have WeChat Pay repeat a word, signed and sealed: proves keys, clock and network."""
    for account in {each.mchid: each for each in config.wechat.pay_merchants}.values():
        name = f"商户号 {account.mchid}"  # one set of keys, however many are served under it
        try:
            heard = gateways.wechat().pay(account.account).try_out("linli", clock.now())
            yield Finding("ok" if heard else "fail", f"{name} 的签名和加密，微信支付读得懂")
        except (WechatError, WechatUnavailable) as error:
            advice = "核对证书序列号、私钥、APIv3 密钥、微信支付公钥和本机时间"
            yield Finding("fail", f"{name} 和微信支付对不上：{error}", advice)
        except OSError as error:
            yield Finding("fail", f"{name} 的密钥读不到：{error.filename}", "从商户平台下载")


CHECKS: tuple[Check, ...] = (
    check_mode,
    check_address,
    check_proxies,
    check_keys,
    check_accounts,
    check_templates,
    check_database,
    check_merchants,
    check_card_pack,
    check_channels,
    check_clock,
    check_queue,
    check_wechat,
    check_pay,
    check_shipping,
    check_settlement,
    check_recon,
)


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check the installation; exit code 1 when something must be mended."""
    marks = {"ok": "✓", "warn": "!", "fail": "✗"}
    worst = 0
    for check in CHECKS:
        for finding in check(current_config()):
            click.echo(f"  {marks[finding.level]} {finding.what}")
            if finding.advice:
                click.echo(f"      → {finding.advice}")
            worst = max(worst, finding.level == "fail")
    raise SystemExit(worst)
