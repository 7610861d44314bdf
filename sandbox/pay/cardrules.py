"""What the bodies of the product coupons' interfaces must look like."""

from sandbox.pay.schema import Group, Many, Rule, Text, Whole

_PERIOD: dict[str, Rule] = {
    "available_begin_time": Text(32, required=True),
    "available_end_time": Text(32, required=True),
    "available_days": Whole(1),
}
_THRESHOLD = Whole(0, required=True)
WORTH: dict[str, Rule] = {
    "normal_coupon": Group({"threshold": _THRESHOLD, "discount_amount": Whole(1, required=True)}),
    "discount_coupon": Group({"threshold": _THRESHOLD, "percent_off": Whole(1, required=True)}),
    "exchange_coupon": Group({"threshold": _THRESHOLD, "exchange_price": Whole(0, required=True)}),
}
STOCK: dict[str, Rule] = {
    "coupon_code_mode": Text(16, required=True),
    "stock_send_rule": Group(
        {"max_count": Whole(1, required=True), "max_count_per_user": Whole(1, required=True)},
        required=True,
    ),
    "single_usage_rule": Group(
        {"coupon_available_period": Group(_PERIOD, required=True), **WORTH}, required=True
    ),
    "usage_rule_display_info": Group(
        {
            "coupon_usage_method_list": Many(Text(16), required=True),
            "mini_program_appid": Text(32),
            "mini_program_path": Text(128),
            "usage_description": Text(1000, required=True),
            "coupon_available_store_info": Group({"description": Text(1000, required=True)}),
        },
        required=True,
    ),
    "coupon_display_info": Group(
        {
            "code_display_mode": Text(16, required=True),
            "entrance_mini_program": Group(
                {
                    "appid": Text(32, required=True),
                    "path": Text(128, required=True),
                    "entrance_wording": Text(5, required=True),
                    "guidance_wording": Text(6, required=True),
                }
            ),
        },
        required=True,
    ),
    "notify_config": Group({"notify_appid": Text(32, required=True)}, required=True),
    "store_scope": Text(16, required=True),
}
_CHOICE: dict[str, Rule] = {
    "name": Text(15, required=True),
    "price": Whole(1, required=True),
    "count": Whole(1, required=True),
    "image_url": Text(512),
}
_PACKAGE: dict[str, Rule] = {
    "name": Text(15, required=True),
    "pick_count": Whole(1, required=True),
    "choice_list": Many(Group(_CHOICE), required=True),
}
PRODUCT: dict[str, Rule] = {
    "out_request_no": Text(40, required=True),
    "scope": Text(16, required=True),
    "type": Text(16, required=True),
    "usage_mode": Text(32, required=True),
    "single_usage_info": Group(WORTH),
    "display_info": Group(
        {
            "name": Text(15, required=True),
            "image_url": Text(512, required=True),
            "background_url": Text(512, required=True),
            "original_price": Whole(1),
            "combo_package_list": Many(Group(_PACKAGE)),
        },
        required=True,
    ),
    "out_product_no": Text(40),
    "stock": Group(STOCK, required=True),
}
_PLACE: dict[str, Rule] = {
    "product_coupon_id": Text(40, required=True),
    "stock_id": Text(40, required=True),
    "appid": Text(32, required=True),
}
ASK: dict[str, Rule] = {**_PLACE, "out_request_no": Text(40, required=True)}
SEND: dict[str, Rule] = {
    **_PLACE,
    "coupon_code": Text(40, required=True),
    "send_request_no": Text(128, required=True),
}
USE: dict[str, Rule] = {
    **ASK,
    "use_time": Text(32, required=True),
    "associated_order_info": Group({"transaction_id": Text(32, required=True)}, required=True),
}
END: dict[str, Rule] = {**ASK, "deactivate_reason": Text(150, required=True)}
