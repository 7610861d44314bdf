"""What a message or an event says, in a few words: for the chat log and the records. Pure."""

from gateways.wechat import contents
from gateways.wechat.card_events import CardLost
from gateways.wechat.contents import Content
from gateways.wechat.trade_events import TradeTold


def describe(content: Content) -> str:
    """`[图片]`, `[位置] 南京西路 1686 号`, `点了菜单 contact`; the words of a text themselves."""
    said = _said(content)
    return said if said is not None else _happened(content)


def _said(content: Content) -> str | None:
    match content:
        case contents.Words(text):
            return text
        case contents.Picture():
            return "[图片]"
        case contents.Voice(words=words):
            return f"[语音] {words}".rstrip()
        case contents.Film(short=short):
            return "[小视频]" if short else "[视频]"
        case contents.Place() as place:
            return f"[位置] {_where(place)}"
        case contents.Link(title, _, url):
            return f"[链接] {title} {url}".rstrip()
        case contents.MiniPage(title, _, page):
            return f"[小程序] {title or page}".rstrip()
    return None


def _happened(content: Content) -> str:
    match content:
        case contents.Followed(scene):
            return "扫码关注" if scene else "关注"
        case contents.Left():
            return "取消关注"
        case contents.Scanned():
            return "扫码"
        case contents.Tapped(key):
            return f"点了菜单 {key}"
        case contents.CodeRead(result=result):
            return f"扫到 {result}"
        case contents.PicturesChosen(_, count):
            return f"选了 {count} 张图片"
        case contents.PlaceChosen(_, place):
            return f"选了位置 {_where(place)}"
        case contents.Position(latitude, longitude, precision):
            return f"上报位置 {latitude:.4f}, {longitude:.4f}，误差 {precision:.0f} 米"
        case contents.TemplateSent() as sent:
            return "模板消息已送达" if sent.arrived else f"模板消息没送到：{sent.status}"
        case contents.MassSent(_, status, total, filtered, sent, failed):
            counts = f"应发 {total}，过滤后 {filtered}，成功 {sent}，失败 {failed}"
            return f"群发结束 {status}：{counts}"
        case contents.Answers(items):
            return "、".join(f"订阅 {item.template_id} {item.status}" for item in items)
        case contents.Arrivals(items):
            return "、".join(
                f"订阅消息 {item.template_id} {'已送达' if item.errcode == 0 else item.status}"
                for item in items
            )
        case contents.Withdrawn(kinds=kinds, everything=everything):
            return "注销授权" if everything else f"撤回授权 {'、'.join(kinds)}".rstrip()
        case CardLost(error=error):
            return f"服务卡片没送到（{error}）"
        case TradeTold() as told:
            return f"发货管理：{_told(told)}"
        case contents.Unknown(kind):
            return f"[{kind}]"
    raise AssertionError(content)


def _told(told: TradeTold) -> str:
    if told.message:
        return told.message
    return "货款已到账" if told.settled_at else "发货信息已收到"


def _where(place: contents.Place) -> str:
    return place.name or place.label or f"{place.latitude:.4f}, {place.longitude:.4f}"
