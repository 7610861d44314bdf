"""The chart of accounts: what every account of the ledger is called, and how it is counted.

An account is `<kind>:<whose>`; a positive entry is more that is held or owed to the merchant, or a
cost, a negative one less, or an income. docs/payments.md has the table.
"""

CHANNEL, BALANCE, SALES, UNCLAIMED = "channel", "balance", "sales", "unclaimed"
BONUS, IMPORTED, BY_HAND = "bonus", "imported", "by_hand"
FEE, COMMISSION, SHARING = "fee", "commission", "sharing"
COUPON_COST, SUBSIDY, GIVEN = "coupon_cost", "subsidy", "given"
PAYOUT, STORE, LOSS = "payout", "store", "loss"

COSTS = (FEE, COMMISSION, SHARING)
"""What others keep of a merchant's sales."""

STORED = (BALANCE, BONUS, IMPORTED)
"""What members may still spend, and where it came from."""


def kind_of(account: str) -> str:
    return account.partition(":")[0]


def channel(name: str, account: str) -> str:
    """Money that the channel holds for us."""
    return f"{CHANNEL}:{name}:{account}"


def sales(merchant_id: int) -> str:
    """What the merchant sold for money."""
    return f"{SALES}:{merchant_id}"


def balance(merchant_id: int) -> str:
    """What the merchant owes its members: their stored value."""
    return f"{BALANCE}:{merchant_id}"


def bonus(merchant_id: int) -> str:
    """What of that was given on top, and nobody paid for."""
    return f"{BONUS}:{merchant_id}"


def imported(merchant_id: int) -> str:
    """What of that was paid for in another system, before the books began here."""
    return f"{IMPORTED}:{merchant_id}"


def unclaimed(merchant_id: int) -> str:
    """Money that came too late for its order and goes back."""
    return f"{UNCLAIMED}:{merchant_id}"


def by_hand(merchant_id: int) -> str:
    """What the merchant gave back out of its own pocket."""
    return f"{BY_HAND}:{merchant_id}"


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
