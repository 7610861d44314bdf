"""What the platform agrees with a merchant: `settlement-terms`, `coupon-terms`."""

from datetime import datetime

import click
from flask.cli import with_appcontext

import gateways
from core.clock import business_day
from core.clock import now as clock_now
from core.database import transaction
from core.errors import LinliError
from gateways.pay.sharing import Party, PartyKind
from merchants.queries import get_merchant
from messaging.accounts import minis_of
from payments.models import ReceiverPurpose
from payments.settlement import terms
from payments.sharing import receivers

ACTOR = "system"


@click.command("settlement-terms")
@click.argument("merchant")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="from this day on; today")
@click.option("--commission", default=0.0, help="per cent of what is paid and not refunded, ≤ 30")
@click.option("--coupons", default=0.0, help="per cent of coupons' cost that the platform bears")
@click.option("--platform", default="", help="full name of the platform's company: it receives")
@with_appcontext
def settlement_terms(
    merchant: str, since: datetime | None, commission: float, coupons: float, platform: str
) -> None:
    """Agree on what the platform keeps of a merchant's sales and bears of its coupons.

    With --platform the platform becomes the receiver of the commission, under the service
    provider's number that the merchant's payments are made through.
    """
    now = clock_now()
    day = since.date() if since else business_day(now)
    seller = gateways.cashier().sharing_for(merchant)
    if platform and seller is None:
        raise click.ClickException("this merchant's money does not come in under a sub_mchid")
    try:
        with transaction() as session:
            found = get_merchant(session, merchant)
            terms.agree(
                session,
                found.id,
                since=day,
                commission_bp=round(commission * 100),
                coupon_platform_bp=round(coupons * 100),
                actor=ACTOR,
                now=now,
            )
            if platform and seller is not None:
                appid = minis_of(merchant)[0].appid
                relation = "SERVICE_PROVIDER"
                receivers.add(
                    session,
                    found.id,
                    Party(PartyKind.merchant, seller.provider, appid, platform, relation),
                    purpose=ReceiverPurpose.commission,
                    share_bp=0,
                    actor=ACTOR,
                    now=now,
                )
    except LinliError as refused:
        raise click.ClickException(refused.detail) from None
    click.echo(f"{merchant}: {commission:g} % of sales, {coupons:g} % of coupons, since {day}")


@click.command("coupon-terms")
@click.argument("template_id", type=int)
@click.argument("percent", type=float)
@with_appcontext
def coupon_terms(template_id: int, percent: float) -> None:
    """How much of one template's coupons the platform bears, whatever was agreed otherwise."""
    try:
        with transaction() as session:
            terms.bear(session, template_id, round(percent * 100), actor=ACTOR, now=clock_now())
    except LinliError as refused:
        raise click.ClickException(refused.detail) from None
    click.echo(f"template {template_id}: {percent:g} % borne by the platform")
