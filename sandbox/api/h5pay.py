"""What a browser meets when the shop sends it over to WeChat: who of the people here pays?"""

from html import escape

from flask import redirect, request
from flask.typing import ResponseReturnValue

from sandbox.acts import NotPossible
from sandbox.api.door import the_world
from sandbox.api.pages import pages
from sandbox.pay import sheet

_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>微信支付 · 沙箱</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#1d2129}}
main{{max-width:400px;margin:0 auto;padding:32px 20px}}h1{{font-size:18px;margin:0 0 4px}}
p{{margin:0 0 20px;color:#555}}b{{font-size:32px;color:#1d2129}}button{{display:block;width:100%;
min-height:48px;margin:0 0 12px;border:0;border-radius:10px;background:#07873f;color:#fff;
font-size:16px;cursor:pointer}}button.no{{background:#fff;color:#1d2129;border:1px solid #ccc}}
</style><main>{inside}</main></html>"""


@pages.get("/sandbox/h5pay")
def show() -> ResponseReturnValue:
    """The page in the browser; there is no app to wake, so one of the people is chosen here."""
    try:
        order = sheet.payable(the_world(), request.args.get("prepay_id", ""))
    except NotPossible as refusal:
        return _PAGE.format(inside=f"<h1>付不了</h1><p>{escape(_said(refusal))}</p>"), 409
    if order.state != "NOTPAY":
        return _PAGE.format(inside="<h1>已经付过，或者已经关了</h1>"), 409
    people = "".join(
        f'<button name="person" value="{escape(person.id)}">{escape(person.name)}付款</button>'
        for person in the_world().people.list()
    )
    inside = (
        f"<h1>微信支付 · 沙箱，不扣真钱</h1><p>{escape(order.request['description'])}</p>"
        f"<p><b>¥{order.total_fen / 100:.2f}</b></p>"
        f'<form method="post">{people}'
        '<button class="no" name="person" value="">不付了</button></form>'
    )
    return _PAGE.format(inside=inside)


@pages.post("/sandbox/h5pay")
def pay() -> ResponseReturnValue:
    """Pays, or not, and goes back to where the shop wants its browser."""
    world, person_id = the_world(), request.form.get("person", "")
    try:
        order = sheet.payable(world, request.args.get("prepay_id", ""))
        if person_id:
            person = world.people.get(person_id)
            sheet.pay_unsigned(world, person, request.args["prepay_id"], "ok")
    except (NotPossible, KeyError) as refusal:
        return _PAGE.format(inside=f"<h1>没有付成</h1><p>{escape(_said(refusal))}</p>"), 409
    back = request.args.get("redirect_url", "")
    if back and world.settings.knows_host(back):
        return redirect(back)
    said = "付好了" if order.state == "SUCCESS" else "没有付"
    return _PAGE.format(inside=f"<h1>{said}</h1><p>回到刚才的页面看结果。</p>")


def _said(refusal: Exception) -> str:
    return str(refusal).removeprefix("requestPayment:fail ")
