"""Every payload has words."""

import pytest

from gateways.wechat.contents import Content
from messaging.sayings import describe
from tests.gateways.test_contents import EXPECTED

WORDS = {
    "text": "你好 👋 <b>",
    "image": "[图片]",
    "voice": "[语音]",
    "voice_recognised": "[语音] 少冰半糖。",
    "video": "[视频]",
    "shortvideo": "[小视频]",
    "location": "[位置] 上海市静安区南京西路 1686 号",
    "link": "[链接] 秋天的第一杯 https://mp.weixin.qq.com/s/abc",
    "miniprogrampage": "[小程序] 静安寺店",
    "location_select": "选了位置 静安寺",
    "position": "上报位置 31.2234, 121.4456，误差 65 米",
    "mass_job_finished": "群发结束 send success：应发 1980，过滤后 1900，成功 1897，失败 3",
    "template_job_blocked": "模板消息没送到：failed:userblock",
    "subscribe_msg_sent_event": "订阅消息 one user refused",
    "trade_manage_remind_shipping": "发货管理：已超 48 小时未发货",
    "trade_manage_order_settlement": "发货管理：货款已到账",
    "publish_job_finished": "[publishjobfinish]",
}


@pytest.mark.parametrize(("name", "content"), EXPECTED.items(), ids=list(EXPECTED))
def test_each_has_words_of_its_own(name: str, content: Content) -> None:
    said = describe(content)

    assert said
    assert said == WORDS.get(name, said)
