"""Parts of lines, sources and rooms add up to the fen; nothing is worth more than is left."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.refunding import amounts
from payments.refunding.amounts import Source, Taken

fen = st.integers(0, 100_000)


@given(payable=fen, quantity=st.integers(1, 60), data=st.data())
def test_however_a_line_is_cut_its_parts_are_the_line(
    payable: int, quantity: int, data: st.DataObject
) -> None:
    line, parts = Taken(quantity, payable), []
    while line.pieces < quantity:
        pieces = data.draw(st.integers(1, quantity - line.pieces))
        part = amounts.of_pieces(line, pieces)
        parts.append((pieces, part))
        line = line._replace(pieces=line.pieces + pieces, fen=line.fen + part)

    assert sum(part for _, part in parts) == payable
    for pieces, part in parts:  # each piece is within a fen of its share
        assert abs(part * quantity - payable * pieces) < quantity * pieces


def test_the_last_piece_takes_what_is_left() -> None:
    assert [amounts.of_pieces(Taken(3, 1000, done, fen), 1) for done, fen in
            ((0, 0), (1, 334), (2, 667))] == [334, 333, 333]  # fmt: skip
    assert amounts.of_pieces(Taken(3, 1000, 2, 100), 1) == 900  # what was cut before comes now
    assert amounts.of_pieces(Taken(3, 1000, 1, 999), 1) == 1
    for pieces in (0, 3):
        with pytest.raises(ValueError, match="pieces of"):
            amounts.of_pieces(Taken(3, 1000, 1, 334), pieces)


@given(parts=st.lists(fen, min_size=1, max_size=8), most=fen)
def test_parts_are_cut_to_what_there_is(parts: list[int], most: int) -> None:
    found = amounts.cut(parts, most)

    assert sum(found) == min(sum(parts), most)
    assert all(0 <= new <= old for new, old in zip(found, parts, strict=True))


@given(left=st.lists(st.tuples(fen, fen), min_size=1, max_size=4), data=st.data())
def test_sources_give_no_more_than_they_have_the_first_ones_first(
    left: list[tuple[int, int]], data: st.DataObject
) -> None:
    sources = [Source(number, *each) for number, each in enumerate(left)]
    whole = sum(channel + balance for channel, balance in left)
    wanted = data.draw(st.integers(0, whole))

    found = amounts.from_sources(wanted, sources)

    assert sum(way.channel_fen + way.balance_fen for way in found) == wanted
    for way in found:
        has = sources[way.attempt_id]
        taken, both = way.channel_fen + way.balance_fen, has.channel_fen + has.balance_fen
        assert (way.channel_fen <= has.channel_fen) is (way.balance_fen <= has.balance_fen) is True
        assert abs(way.channel_fen * both - taken * has.channel_fen) < both
        if way is not found[-1]:
            assert taken == both
    with pytest.raises(ValueError, match="more than the payments hold"):
        amounts.from_sources(whole + 1, sources)


small = st.integers(0, 9)
paid = st.lists(st.tuples(fen | small, fen | small), min_size=1, max_size=20)


def given_of(ways: list[Source]) -> dict[int, int]:
    return {way.attempt_id: way.left_fen for way in ways}


def shares_of(paid: list[tuple[int, int]], gone: list[list[int]]) -> list[Source]:
    return [
        amounts.left_of(number, each, (gone[number][0], gone[number][1]))._replace(share=True)
        for number, each in enumerate(paid)
    ]


@given(paid=paid, data=st.data())
def test_who_paid_shares_gets_back_in_proportion(
    paid: list[tuple[int, int]], data: st.DataObject
) -> None:
    sources = shares_of(paid, [[0, 0] for _ in paid])
    whole = sum(source.left_fen for source in sources)
    wanted = data.draw(st.integers(0, whole))

    found = given_of(amounts.from_sources(wanted, sources))

    assert sum(found.values()) == wanted
    for number, source in enumerate(sources):
        assert abs(found.get(number, 0) * whole - wanted * source.left_fen) < max(whole, 1)
    with pytest.raises(ValueError, match="more than the payments hold"):
        amounts.from_sources(whole + 1, sources)


@settings(max_examples=50)
@given(left=st.lists(st.tuples(fen, fen), min_size=2, max_size=8), data=st.data())
def test_shares_go_back_refund_by_refund_until_everybody_has_what_they_paid(
    left: list[tuple[int, int]], data: st.DataObject
) -> None:
    sources = [Source(number, *each, sum(each), share=True) for number, each in enumerate(left)]
    rooms = {source.attempt_id: source for source in sources}
    while whole := sum(source.left_fen for source in rooms.values()):
        # By and by: at least an eighth of what was paid at once, so that it ends.
        least = min(whole, sum(source.left_fen for source in sources) // 8 + 1)
        wanted = data.draw(st.integers(least, whole))

        found = amounts.from_sources(wanted, list(rooms.values()))

        assert sum(way.left_fen for way in found) == wanted
        for way in found:
            has = rooms[way.attempt_id]
            assert way.left_fen > 0
            assert 0 <= way.channel_fen <= has.channel_fen
            assert 0 <= way.balance_fen <= has.balance_fen
            rooms[way.attempt_id] = has._replace(
                channel_fen=has.channel_fen - way.channel_fen,
                balance_fen=has.balance_fen - way.balance_fen,
            )
    assert all(source.left_fen == 0 for source in rooms.values())


@given(left=st.lists(st.tuples(fen, fen), min_size=2, max_size=20), data=st.data())
def test_who_paid_first_gets_no_more_than_a_fen_for_it(
    left: list[tuple[int, int]], data: st.DataObject
) -> None:
    sources = [Source(number, *each, sum(each), share=True) for number, each in enumerate(left)]
    wanted = data.draw(st.integers(0, sum(source.left_fen for source in sources)))
    mixed = data.draw(st.permutations(sources))

    ways = [
        {way.attempt_id: way.left_fen for way in amounts.from_sources(wanted, order)}
        for order in (sources, mixed)
    ]

    for number in range(len(sources)):
        one, other = (way.get(number, 0) for way in ways)
        assert abs(one - other) <= 1


@given(paid=paid, data=st.data())
def test_whatever_failed_on_the_way_nobody_gets_more_than_they_paid_and_in_the_end_all_of_it(
    paid: list[tuple[int, int]], data: st.DataObject
) -> None:
    gone = [[0, 0] for _ in paid]
    whole = sum(map(sum, paid))

    def give(fen: int, sent: st.SearchStrategy[bool]) -> None:
        sources = shares_of(paid, gone)
        ways = amounts.from_sources(fen, sources)
        assert sum(way.left_fen for way in ways) == fen
        for way in ways:
            left = sources[way.attempt_id]
            assert 0 <= way.channel_fen <= left.channel_fen
            assert 0 <= way.balance_fen <= left.balance_fen
            gone[way.attempt_id][1] += way.balance_fen  # of the balance none fails
            gone[way.attempt_id][0] += way.channel_fen if data.draw(sent) else 0

    for _ in range(data.draw(st.integers(0, 5))):
        give(data.draw(st.integers(0, whole - sum(map(sum, gone)))), st.booleans())
    give(whole - sum(map(sum, gone)), st.just(True))

    assert [tuple(each) for each in gone] == paid
    assert amounts.from_sources(0, shares_of(paid, gone)) == []


@given(paid=st.lists(fen, min_size=2, max_size=20), data=st.data())
def test_what_failed_of_a_table_goes_to_whoever_it_was_for(
    paid: list[int], data: st.DataObject
) -> None:
    sources = [Source(number, each, 0, each, share=True) for number, each in enumerate(paid)]
    first = given_of(amounts.from_sources(data.draw(st.integers(0, sum(paid))), sources))
    failed = data.draw(st.sets(st.sampled_from(sorted(first)))) if first else set()
    left = [
        source._replace(channel_fen=source.channel_fen - first.get(number, 0))
        if number not in failed
        else source
        for number, source in enumerate(sources)
    ]

    again = given_of(amounts.from_sources(sum(first[number] for number in failed), left))

    assert again == {number: first[number] for number in failed}


def test_what_went_back_of_one_side_twice_is_off_the_other() -> None:
    left = [
        amounts.left_of(7, paid, gone)
        for paid, gone in (
            ((1_000, 2_000), (334, 666)),
            ((1_000, 2_000), (1_334, 1_333)),
            ((1_000, 2_000), (600, 2_100)),
            ((1_000, 0), (1_100, 0)),
        )
    ]

    assert [(each.channel_fen, each.balance_fen, each.paid_fen) for each in left] == [
        (666, 1_334, 3_000),
        (0, 333, 3_000),
        (300, 0, 3_000),
        (0, 0, 1_000),
    ]


@given(parts=st.lists(fen, min_size=1, max_size=6), data=st.data())
def test_rooms_are_filled_one_after_the_other(parts: list[int], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, sum(parts)), max_size=3)))
    edges = [0, *cuts, sum(parts)]
    rooms = [after - before for before, after in pairwise(edges)]

    filled = amounts.fill(rooms, parts)

    assert [sum(here) for here in filled] == rooms
    assert [sum(column) for column in zip(*filled, strict=True)] == parts
