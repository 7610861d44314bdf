"""What a coupon takes off, for any template and any amount."""

from hypothesis import given
from hypothesis import strategies as st

from coupons.amounts import Worth, discount_fen, missing_fen
from coupons.models import CouponKind

FEN = st.integers(0, 10_000_00)
WORTHS = st.one_of(
    st.builds(Worth, st.just(CouponKind.amount), face_fen=FEN, min_spend_fen=FEN),
    st.builds(
        Worth,
        st.just(CouponKind.percent),
        off_bp=st.integers(0, 10_000),
        cap_fen=st.none() | FEN,
        min_spend_fen=FEN,
    ),
)


@given(WORTHS, FEN)
def test_it_never_takes_more_than_there_is_nor_less_than_nothing(worth: Worth, fen: int) -> None:
    assert 0 <= discount_fen(worth, fen) <= fen


@given(WORTHS, FEN)
def test_below_the_minimum_it_takes_nothing(worth: Worth, fen: int) -> None:
    if missing_fen(worth, fen):
        assert discount_fen(worth, fen) == 0


@given(WORTHS, FEN, FEN)
def test_more_goods_never_lessen_the_discount(worth: Worth, fen: int, more: int) -> None:
    assert discount_fen(worth, fen + more) >= discount_fen(worth, fen)


def test_a_percent_coupon_rounds_once_and_stops_at_its_cap() -> None:
    worth = Worth(CouponKind.percent, off_bp=1500, cap_fen=1500)

    assert discount_fen(worth, 1999) == 300  # 299.85
    assert discount_fen(worth, 20_000) == 1500
