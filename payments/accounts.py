"""The chart of accounts: what every account of the ledger is called, and how it is counted.

An account is `<kind>:<whose>`; a positive entry is more that is held or owed to the merchant, or a
cost, a negative one less, or an income. docs/payments.md has the table.
"""

CHANNEL, BALANCE, SALES, UNCLAIMED = "channel", "balance", "sales", "unclaimed"
FEE, COMMISSION, SHARING = "fee", "commission", "sharing"
COUPON_COST, SUBSIDY, GIVEN = "coupon_cost", "subsidy", "given"
PAYOUT, STORE, LOSS = "payout", "store", "loss"

COSTS = (FEE, COMMISSION, SHARING)
"""What others keep of a merchant's sales."""


def kind_of(account: str) -> str:
    return account.partition(":")[0]


def fee(channel: str, merchant_id: int) -> str:
    """What the channel keeps for itself."""
    return f"{FEE}:{channel}:{merchant_id}"


def commission(merchant_id: int) -> str:
    """What the platform keeps."""
    return f"{COMMISSION}:{merchant_id}"


def sharing(merchant_id: int) -> str:
    """What others than the platform were given of the merchant's payments."""
    return f"{SHARING}:{merchant_id}"


def coupon_cost(merchant_id: int) -> str:
    """What the merchant bears of coupons that were used."""
    return f"{COUPON_COST}:{merchant_id}"


def subsidy(merchant_id: int) -> str:
    """What the platform bears of them, and owes the merchant."""
    return f"{SUBSIDY}:{merchant_id}"


def given(merchant_id: int) -> str:
    """Goods that were handed over for coupons: the other side of both."""
    return f"{GIVEN}:{merchant_id}"


def loss(merchant_id: int) -> str:
    """What the books have and the channel has not, which somebody gave up."""
    return f"{LOSS}:{merchant_id}"


def payout(merchant_id: int) -> str:
    """What the owner's purse paid to their own stores."""
    return f"{PAYOUT}:{merchant_id}"


def store(store_id: int) -> str:
    """What a store was paid out."""
    return f"{STORE}:{store_id}"
