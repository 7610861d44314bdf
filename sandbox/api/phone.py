"""What a mini-program asks of the phone: login codes, phone codes, grants, the pay sheet."""

from flask import jsonify
from flask.typing import ResponseReturnValue

from sandbox import pushes
from sandbox.api.door import Refused, account_of, body, control, need, person_of, the_world
from sandbox.people import openid_of


@control.post("/people/<person_id>/login-code")
def login_code(person_id: str) -> ResponseReturnValue:
    return _code(person_id, "login")


@control.post("/people/<person_id>/phone-code")
def phone_code(person_id: str) -> ResponseReturnValue:
    return _code(person_id, "phone")


def _code(person_id: str, purpose: str) -> ResponseReturnValue:
    world, person, account = the_world(), person_of(person_id), account_of(body(), "mini")
    with world.lock:
        return jsonify(code=world.codes.new(purpose, account.appid, person.id))


@control.post("/people/<person_id>/subscribe")
def subscribe(person_id: str) -> ResponseReturnValue:
    """What wx.requestSubscribeMessage was answered: {"answers": {id: "accept" | "reject"}}."""
    world, person, data = the_world(), person_of(person_id), body()
    account, answers = account_of(data, "mini"), need(data, "answers", dict)
    openid = openid_of(account.appid, person.id)
    known = set(account.templates.values())
    if known and not set(answers) <= known:
        raise Refused(400, "requestSubscribeMessage:fail No template data return (20001)")
    if len(answers) > 5:
        raise Refused(400, "requestSubscribeMessage:fail too many templates (20003)")
    with world.lock:
        for template_id, answer in answers.items():
            if answer == "accept":
                world.grants.add(openid, template_id)
    accepted = sum(answer == "accept" for answer in answers.values())
    rows = [
        {"TemplateId": template_id, "SubscribeStatusString": answer, "PopupScene": "0"}
        for template_id, answer in answers.items()
        if answer in ("accept", "reject")
    ]
    if rows:
        push = pushes.build(
            world,
            account,
            person,
            openid,
            MsgType="event",
            Event="subscribe_msg_popup_event",
            SubscribeMsgPopupEvent={"List": rows},
            title=f"{person.name}允许了 {accepted} 次提醒"
            if accepted
            else f"{person.name}没有允许提醒",
            shown=False,
        )
        pushes.send(world, push, wait=data.get("wait") is True)
    return jsonify(answers)


@control.post("/people/<person_id>/unsubscribe")
def unsubscribe(person_id: str) -> ResponseReturnValue:
    """Switched off in the settings of the mini-program: {"template_id": "..."}."""
    world, person, data = the_world(), person_of(person_id), body()
    account, template_id = account_of(data, "mini"), need(data, "template_id")
    openid = openid_of(account.appid, person.id)
    with world.lock:
        world.grants.clear_for(openid, template_id)
        push = pushes.build(
            world,
            account,
            person,
            openid,
            MsgType="event",
            Event="subscribe_msg_change_event",
            SubscribeMsgChangeEvent={
                "List": [{"TemplateId": template_id, "SubscribeStatusString": "reject"}]
            },
            title=f"{person.name}在设置里关掉了一种提醒",
            shown=False,
        )
    pushes.send(world, push, wait=data.get("wait") is True)
    return jsonify(ok=True)


@control.post("/people/<person_id>/cards")
def switch_cards(person_id: str) -> ResponseReturnValue:
    """Whether this person wants service cards of a mini-program: {"wanted": false}."""
    world, person, data = the_world(), person_of(person_id), body()
    account, wanted = account_of(data, "mini"), need(data, "wanted", bool)
    openid = openid_of(account.appid, person.id)
    with world.lock:
        (world.notifies.refusing.discard if wanted else world.notifies.refusing.add)(openid)
    return jsonify(wanted=wanted)
