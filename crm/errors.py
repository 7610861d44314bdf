"""Failures of crm."""

from core.errors import Conflict, Invalid, NotFound


class MemberNotFound(NotFound):
    code = "member_not_found"
    title = "没有这位会员"


class TagNotFound(NotFound):
    code = "tag_not_found"
    title = "没有这个标签"


class TagInvalid(Invalid):
    code = "tag_invalid"
    title = "标签名要 1 到 16 个字"


class SegmentNotFound(NotFound):
    code = "segment_not_found"
    title = "没有这个人群"


class RuleInvalid(Invalid):
    """`errors` maps the path of a node ("0.1" is the second rule of the first) to its fault."""

    code = "rule_invalid"
    title = "人群条件有误"


class CampaignNotFound(NotFound):
    code = "campaign_not_found"
    title = "没有这个活动"


class CampaignInvalid(Invalid):
    code = "campaign_invalid"
    title = "活动填写有误"


class CampaignMoved(Conflict):
    """The move is not on the map from where the campaign is now."""

    code = "campaign_moved"
    title = "活动的状态已经变了，刷新看看"


class MarketingRulesInvalid(Invalid):
    code = "marketing_rules_invalid"
    title = "营销规则填写有误"


class JourneyNotFound(NotFound):
    code = "journey_not_found"
    title = "没有这条旅程"


class JourneyInvalid(Invalid):
    """`errors` maps a place (`n3.text`, `trigger.days`, `name`) to its fault."""

    code = "journey_invalid"
    title = "旅程还没填好"


class JourneyMoved(Conflict):
    code = "journey_moved"
    title = "旅程的状态已经变了，刷新看看"


class ListInvalid(Invalid):
    code = "list_invalid"
    title = "名单有误"


class BatchInvalid(Invalid):
    code = "batch_invalid"
    title = "这一批填写有误"


class BatchNotFound(NotFound):
    code = "batch_not_found"
    title = "没有这一批"


class BatchMoved(Conflict):
    code = "batch_moved"
    title = "这一批已经在作废了"


class ApprovalNotFound(NotFound):
    code = "approval_not_found"
    title = "没有这个审核"


class ApprovalOwn(Conflict):
    code = "approval_own"
    title = "自己写的、改的、提交的活动，要别人来同意"


class ApprovalOver(Conflict):
    code = "approval_over"
    title = "这个审核已经处理过了"


class ApprovalNeeded(Conflict):
    """`detail` says what makes a second person necessary."""

    code = "approval_needed"
    title = "要另一个人同意"


class NoWayToSend(Conflict):
    """`detail` says what to do first."""

    code = "no_way_to_send"
    title = "现在发不到"
