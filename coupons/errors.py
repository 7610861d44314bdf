"""Failures of coupons."""

from core.errors import Conflict, Forbidden, Gone, Invalid, NotFound


class CouponNotFound(NotFound):
    code = "coupon_not_found"
    title = "没有找到这张券"


class TemplateNotFound(NotFound):
    code = "coupon_template_not_found"
    title = "没有找到这个活动"


class ClaimLimit(Conflict):
    """This member has had as many as one may."""

    code = "claim_limit"
    title = "你已经领过了"


class GoneAlready(Conflict):
    """The template's total is used up."""

    code = "coupons_exhausted"
    title = "券已经领完了"


class NotClaimable(Conflict):
    code = "not_claimable"
    title = "这张券现在不能领"


class CouponUnavailable(Conflict):
    """Held by another order, or not valid yet."""

    code = "coupon_unavailable"
    title = "这张券现在用不了"


class AlreadyRedeemed(Conflict):
    code = "coupon_already_redeemed"
    title = "这张券已经用过了"


class CouponVoid(Gone):
    """Taken back by the merchant before it was used."""

    code = "coupon_void"
    title = "这张券已经作废"


class RedemptionUndone(Conflict):
    """The same request again, after somebody took the redemption back."""

    code = "redemption_undone"
    title = "这次核销已经撤销了"


class TooLongAgo(Invalid):
    """A till tells a redemption later than it may, or from a time that has not come."""

    code = "redeemed_at_out_of_range"
    title = "核销时间不对"


class CouponExpired(Gone):
    code = "coupon_expired"
    title = "这张券过期了"


class CodeExpired(Gone):
    """A rotating code that is older than its step and one step of grace."""

    code = "coupon_code_expired"
    title = "这个码过期了，请顾客换一个新码"


class WrongStore(Conflict):
    code = "coupon_wrong_store"
    title = "这张券不能在这家店用"


class NotGoodHere(Conflict):
    """Not at this counter, not at this hour, or not for its holder; `detail` says which."""

    code = "coupon_not_good_here"
    title = "这张券现在不能在店里用"


class BillNeeded(Invalid):
    """At the counter, where nobody knows without the bill what the coupon takes off."""

    code = "coupon_bill_needed"
    title = "先填消费金额"


class BelowMinimum(Invalid):
    code = "coupon_below_minimum"
    title = "消费金额没到这张券的门槛"


class UndoTooLate(Conflict):
    code = "coupon_undo_too_late"
    title = "过了撤销时间"


class UndoQuota(Forbidden):
    """This clerk has taken back as many redemptions today as one may; an owner still can."""

    code = "undo_quota"
    title = "今天撤销的次数用完了，请店主来撤"


class ReasonRequired(Invalid):
    code = "reason_required"
    title = "请写明原因"


class DailyLimit(Conflict):
    """The claims of today are used up: everybody's, or this member's."""

    code = "daily_claim_limit"
    title = "今天的领完了，明天再来"


class NotGiftable(Conflict):
    code = "not_giftable"
    title = "这张券不能转送"


class GiftNotFound(NotFound):
    code = "gift_not_found"
    title = "没有找到这份礼物"


class GiftGone(Gone):
    """Taken by somebody else, taken back, or offered too long ago."""

    code = "gift_gone"
    title = "来晚了，这张券已经不在了"


class GiftLimit(Conflict):
    code = "gift_limit"
    title = "这种券你收得够多了"


class AlreadyHeld(Conflict):
    """A printed code that somebody else has claimed."""

    code = "coupon_already_held"
    title = "这个券码已经被别人领走了"
