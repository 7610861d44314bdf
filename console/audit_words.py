"""What the records say, in words: acts, what they were about, fields, values, security events."""

from typing import NamedTuple

KINDS = {
    "orders": "订单与退款",
    "coupons": "优惠券",
    "members": "会员与人群",
    "campaigns": "营销活动",
    "goods": "商品与库存",
    "official": "公众号",
    "staff": "员工与登录",
}


class Act(NamedTuple):
    """`tone` colours what an owner should notice: "warn" takes back, "bad" cannot be undone."""

    kind: str
    words: str
    tone: str = ""


UNKNOWN = Act("", "其他操作")

ACTS = {
    "order.placed": Act("orders", "下单"),
    "order.accepted": Act("orders", "接单"),
    "order.preparing": Act("orders", "开始制作"),
    "order.ready": Act("orders", "出餐"),
    "order.completed": Act("orders", "交餐"),
    "order.cancelled": Act("orders", "取消订单", "warn"),
    "order.refund": Act("orders", "退款", "bad"),
    "refund.request": Act("orders", "提交退款", "warn"),
    "coupon.redeem": Act("coupons", "核销优惠券"),
    "coupon.undo": Act("coupons", "撤销核销", "warn"),
    "coupon.void": Act("coupons", "作废优惠券", "bad"),
    "batch.create": Act("coupons", "批量发券", "note"),
    "batch.resume": Act("coupons", "继续批量发券"),
    "batch.print": Act("coupons", "打印券码", "warn"),
    "batch.revoke": Act("coupons", "作废一批券", "bad"),
    "coupon.give": Act("coupons", "发券给会员"),
    "template.create": Act("coupons", "新建券模板"),
    "template.active": Act("coupons", "恢复发券"),
    "template.paused": Act("coupons", "暂停发券", "warn"),
    "offers.floor": Act("coupons", "改优惠底线"),
    "pack.on": Act("coupons", "打开微信卡包", "note"),
    "pack.off": Act("coupons", "关上微信卡包", "warn"),
    "pack.pictures": Act("coupons", "换卡包图片"),
    "pack.put": Act("coupons", "把券放进微信卡包"),
    "pack.take": Act("coupons", "券不再放进微信卡包", "warn"),
    "promotion.create": Act("coupons", "新建促销"),
    "promotion.change": Act("coupons", "改促销草稿"),
    "promotion.running": Act("coupons", "上线促销"),
    "promotion.stopped": Act("coupons", "停掉促销", "warn"),
    "member.merge": Act("members", "合并会员", "note"),
    "member.tag_add": Act("members", "加标签"),
    "member.tag_drop": Act("members", "去掉标签"),
    "member.withdrawn": Act("members", "在微信撤回授权", "warn"),
    "member.add": Act("members", "登记到店顾客"),
    "member.edit": Act("members", "修改资料"),
    "member.refused": Act("members", "记下不愿意"),
    "member.looked_up": Act("members", "在聊天里查会员"),
    "chat.today": Act("orders", "在聊天里看今日"),
    "members.export": Act("members", "导出会员", "bad"),
    "phone.joined": Act("members", "手机号并入会员", "note"),
    "phone.taken": Act("members", "验证手机号", "note"),
    "phone.lost": Act("members", "手机号转给别人", "warn"),
    "phone.refused": Act("members", "手机号没有合并", "warn"),
    "segment.save": Act("members", "保存人群"),
    "loyalty.tiers": Act("members", "改会员等级", "warn"),
    "loyalty.points": Act("members", "改积分规则", "warn"),
    "loyalty.balance_low": Act("members", "改余额提醒线"),
    "loyalty.sign_in": Act("members", "改签到规则"),
    "loyalty.referral": Act("members", "改邀请规则"),
    "points.adjust": Act("members", "调积分", "warn"),
    "goods.create": Act("members", "上架积分商品"),
    "goods.on": Act("members", "恢复积分商品"),
    "goods.off": Act("members", "下架积分商品", "warn"),
    "plan.create": Act("members", "上架档位"),
    "plan.on": Act("members", "恢复档位"),
    "plan.off": Act("members", "下架档位", "warn"),
    "lottery.create": Act("members", "开始抽奖"),
    "lottery.on": Act("members", "恢复抽奖"),
    "lottery.off": Act("members", "暂停抽奖", "warn"),
    "referral.pass": Act("members", "邀请算数"),
    "referral.refuse": Act("members", "邀请不算", "warn"),
    "journey.create": Act("campaigns", "新建旅程"),
    "journey.publish": Act("campaigns", "发布旅程"),
    "journey.live": Act("campaigns", "继续旅程"),
    "journey.paused": Act("campaigns", "暂停旅程", "warn"),
    "journey.tested": Act("campaigns", "自己试走旅程"),
    "journey.ended": Act("campaigns", "结束旅程", "bad"),
    "campaign.change": Act("campaigns", "修改活动"),
    "campaign.draft": Act("campaigns", "退回草稿", "warn"),
    "campaign.approved": Act("campaigns", "批准活动"),
    "campaign.scheduled": Act("campaigns", "定时活动"),
    "campaign.running": Act("campaigns", "开始发送"),
    "campaign.paused": Act("campaigns", "暂停活动", "warn"),
    "campaign.finished": Act("campaigns", "活动发完"),
    "campaign.killed": Act("campaigns", "终止活动", "bad"),
    "broadcast.create": Act("campaigns", "写群发"),
    "broadcast.change": Act("campaigns", "改了群发"),
    "broadcast.draft": Act("campaigns", "群发退回草稿"),
    "broadcast.previewed": Act("campaigns", "看过群发预览"),
    "broadcast.gathering": Act("campaigns", "发出群发", "warn"),
    "broadcast.sending": Act("campaigns", "群发交给微信"),
    "broadcast.finished": Act("campaigns", "群发完成"),
    "broadcast.failed": Act("campaigns", "群发没有发出", "warn"),
    "broadcast.taken_back": Act("campaigns", "删掉群发的文章", "warn"),
    "broadcast.stopped": Act("campaigns", "作废群发", "warn"),
    "profit.assume": Act("campaigns", "改毛利率假设"),
    "goods.cost": Act("goods", "改商品成本"),
    "campaign.approval_asked": Act("campaigns", "提交活动审核"),
    "campaign.approval_approved": Act("campaigns", "同意活动"),
    "campaign.approval_refused": Act("campaigns", "不同意活动", "warn"),
    "campaign.tested": Act("campaigns", "试发活动给自己"),
    "campaign.export": Act("campaigns", "导出活动名单", "bad"),
    "campaign.caps": Act("campaigns", "改活动上限", "warn"),
    "channels.policy": Act("campaigns", "改活动走的渠道"),
    "suppression.lifted": Act("campaigns", "提前恢复发不到的人"),
    "marketing.rules": Act("campaigns", "改营销规则", "warn"),
    "stock.set": Act("goods", "改库存"),
    "shelf.set": Act("goods", "上下架"),
    "key.create": Act("staff", "新建接口密钥", "warn"),
    "key.revoke": Act("staff", "停用接口密钥", "bad"),
    "chat.assign": Act("official", "接下会话"),
    "chat.close": Act("official", "结束会话"),
    "scene.create": Act("official", "新建二维码"),
    "tag.mirror": Act("official", "标签同步到微信"),
    "tag.unmirror": Act("official", "标签不再同步"),
    "record.replay": Act("official", "补处理消息", "warn"),
    "menu.save": Act("official", "改菜单草稿"),
    "material.upload": Act("official", "上传素材"),
    "material.drop": Act("official", "删素材", "warn"),
    "menu.publish": Act("official", "发布菜单", "warn"),
    "menu.restore": Act("official", "换回旧菜单", "warn"),
    "reply.save": Act("official", "改自动回复"),
    "reply.drop": Act("official", "删自动回复", "warn"),
    "staff.logged_in": Act("staff", "登录"),
    "staff.invite": Act("staff", "邀请员工", "warn"),
    "staff.invite_end": Act("staff", "作废邀请", "warn"),
    "staff.joined": Act("staff", "加入门店", "note"),
    "staff.end": Act("staff", "停用员工", "bad"),
}

FIELDS = {
    "amount_fen": "金额",
    "approval_fen": "花费超过要审核",
    "approval_people": "人数超过要审核",
    "available": "库存",
    "bill_fen": "账单",
    "best_hour": "按各人习惯发",
    "budget_fen": "预算",
    "by": "方式",
    "cost_fen": "预计花费",
    "daily_people": "每天最多发",
    "contacts_days": "几天内",
    "contacts_most": "最多发几次",
    "discount_fen": "抵扣",
    "face_fen": "面额",
    "forgotten": "忘掉的资料",
    "holdout_bp": "对照组",
    "liability_fen": "没用掉的券上限",
    "kind": "方式",
    "loser": "并入的会员",
    "message": "文案",
    "margin_bp": "毛利率",
    "name": "名称",
    "birthday": "生日",
    "gender": "性别",
    "address": "地址",
    "note": "备注",
    "what": "哪一项",
    "off_bp": "折扣",
    "floor_bp": "底线",
    "people": "人数",
    "points": "积分",
    "price_fen": "价格",
    "bonus_fen": "赠送",
    "quiet_from_hour": "免打扰从",
    "quiet_until_hour": "免打扰到",
    "reached": "发送人数",
    "refund_fen": "退款",
    "role": "角色",
    "rule": "条件",
    "send_hour": "几点发",
    "segment_id": "人群",
    "version": "第几版",
    "moved": "里面的人换到新版",
    "state": "状态",
    "store_id": "门店",
    "scopes": "权限",
    "stores": "门店",
    "tag": "标签",
    "template_id": "券",
}
"""What a snapshot's keys are called; a key that is not here is for programs."""

STATES = {
    "order": {
        "placed": "待接单",
        "accepted": "已接单",
        "preparing": "制作中",
        "ready": "待取餐",
        "completed": "已完成",
        "cancelled": "已取消",
    },
    "coupon": {
        "issued": "未使用",
        "locked": "占用中",
        "redeemed": "已核销",
        "expired": "已过期",
        "void": "已作废",
    },
    "batch": {
        "preparing": "准备中",
        "running": "发放中",
        "stopped": "停住了",
        "done": "已发完",
        "revoking": "作废中",
        "revoked": "已作废",
    },
    "template": {"active": "在发", "paused": "已暂停"},
    "promotion": {"draft": "草稿", "running": "已上线", "stopped": "已停"},
    "campaign": {
        "draft": "草稿",
        "approved": "已批准",
        "scheduled": "已定时",
        "running": "发送中",
        "paused": "已暂停",
        "finished": "已发完",
        "killed": "已终止",
    },
    "journey": {"draft": "草稿", "live": "运行中", "paused": "已暂停", "ended": "已结束"},
    "broadcast": {
        "draft": "草稿",
        "previewed": "看过预览",
        "gathering": "准备名单",
        "sending": "发送中",
        "finished": "已发完",
        "failed": "没有发出",
        "stopped": "已作废",
    },
    "store_sku": {"on": "在卖", "sold_out": "售罄", "off": "下架"},
    "staff": {"active": "在职", "left": "已停用"},
}

LOGINS = {"password": "密码", "wechat": "微信"}


class Event(NamedTuple):
    words: str
    advice: str
    tone: str = "warn"


EVENTS = {
    "locked_out": Event("错太多次，锁了 5 分钟", "不是本人在试的话，换密码，或停用这个账号"),
    "phone_refused": Event(
        "手机号没有合并", "号码登记在一位店员名下：核对后发邀请，让本人用微信绑定"
    ),
    "payment_mismatch": Event("付款和订单对不上", "没有入账，到商户平台核对这一笔", "bad"),
    "refund_mismatch": Event("退款金额对不上", "没有改账，到商户平台核对这一笔", "bad"),
    "refund_after_failure": Event("失败的退款又成功了", "账上没有记，到商户平台核对这一笔", "bad"),
}
UNKNOWN_EVENT = Event("其他安全事件", "看服务器日志里同一时间的记录")

DIFFERENCES = {"amount": "金额", "currency": "币种", "mchid": "商户号", "appid": "小程序"}


def acts_of(kind: str) -> list[str] | None:
    """The acts of one kind; None: of all."""
    return [name for name, act in ACTS.items() if act.kind == kind] if kind in KINDS else None
