"""A person's card pack: what lies in it, and what they, or somebody's till, do to it."""

from flask import jsonify
from flask.typing import ResponseReturnValue

from sandbox.api.door import Refused, body, control, need, person_of, the_world
from sandbox.clock import rfc3339
from sandbox.pay.cards import tell
from sandbox.people import openid_of


@control.get("/people/<person_id>/cards")
def list_cards(person_id: str) -> ResponseReturnValue:
    """Newest first; those that were deleted are gone from the pack."""
    world, person = the_world(), person_of(person_id)
    held = [
        card
        for appid in world.settings.accounts
        for card in world.cards.list_of(openid_of(appid, person.id))
        if card.state != "DELETED"
    ]
    return jsonify(
        cards=[
            {
                "code": card.code,
                "name": world.cards.products[card.product_id].request["display_info"]["name"],
                "state": card.state,
                "until": rfc3339(card.ends_at),
            }
            for card in reversed(held)
        ]
    )


@control.post("/people/<person_id>/cards")
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
