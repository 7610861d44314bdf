"""A person's card pack: what lies in it, and what they, or somebody's till, do to it."""

from typing import Any

from flask import jsonify
from flask.typing import ResponseReturnValue

from sandbox.api.door import Refused, body, control, need, person_of, the_world
from sandbox.clock import rfc3339
from sandbox.pay.cards import tell
from sandbox.pay.cardstore import Card
from sandbox.people import openid_of
from sandbox.state import World


@control.get("/people/<person_id>/pack")
def list_cards(person_id: str) -> ResponseReturnValue:
    """Newest first; those that were deleted are gone from the pack."""
    world, person = the_world(), person_of(person_id)
    held = [
        card
        for appid in world.settings.accounts
        for card in world.cards.list_of(openid_of(appid, person.id))
        if card.state != "DELETED"
    ]
    return jsonify(cards=[_shown(world, card) for card in reversed(held)])


def _shown(world: World, card: Card) -> dict[str, Any]:
    """As the pack shows it: what it takes off, from when, until when, and where it leads."""
    product = world.cards.products[card.product_id].request
    stock = world.cards.stocks[card.stock_id].request
    worth = {**product.get("single_usage_info", {}), **stock["single_usage_rule"]}
    threshold, takes = 0, ""
    if rule := worth.get("normal_coupon"):
        threshold, takes = rule["threshold"], f"¥{rule['discount_amount'] / 100:g}"
    elif rule := worth.get("discount_coupon"):
        threshold, takes = rule["threshold"], f"{(100 - rule['percent_off']) / 10:g} 折"
    elif rule := worth.get("exchange_coupon"):
        price = rule["exchange_price"]
        threshold, takes = rule["threshold"], f"¥{price / 100:g} 换" if price else "免费换"
    entrance = stock["coupon_display_info"].get("entrance_mini_program") or {}
    return {
        "code": card.code,
        "name": product["display_info"]["name"],
        "state": card.state,
        "until": rfc3339(card.ends_at),
        "worth": takes,
        "condition": f"满 {threshold / 100:g} 可用" if threshold else "无门槛",
        "terms": stock["usage_rule_display_info"]["usage_description"],
        "appid": entrance.get("appid", ""),
        "path": entrance.get("path", ""),
        "entrance": entrance.get("entrance_wording", ""),
    }


@control.post("/people/<person_id>/pack")
def change_card(person_id: str) -> ResponseReturnValue:
    """{"code", "do": "delete" | "use"}: the holder throws it away; somebody uses it without us."""
    world, person, data = the_world(), person_of(person_id), body()
    mine = [openid_of(appid, person.id) for appid in world.settings.accounts]
    held = (card for openid in mine for card in world.cards.list_of(openid))
    card = next((card for card in held if card.code == need(data, "code")), None)
    if card is None:
        raise Refused(404, "no such card")
    if data.get("do") not in ("delete", "use"):
        raise Refused(400, "do must be delete or use")
    with world.lock:
        card.state = "DELETED" if data["do"] == "delete" else "USED"
        if card.state == "USED":
            tell(world, card, "USE", "核销")
    return jsonify(code=card.code, state=card.state)
