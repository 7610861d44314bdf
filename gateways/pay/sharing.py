"""The port for profit sharing (分账): parts of a payment go to others, the rest to the seller."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class PartyKind(StrEnum):
    """Who may receive: another merchant, or a person by the openid of an app."""

    merchant = "merchant"
    person = "person"


@dataclass(frozen=True)
class Party:
    """`name` is the company's full name or the person's own; it travels sealed.

    `relation` is the channel's word for what they are to the seller (SERVICE_PROVIDER, STORE, …).
    """

    kind: PartyKind
    account: str
    appid: str
    name: str = ""
    relation: str = ""


@dataclass(frozen=True)
class Part:
    """How much of one payment one party gets."""

    party: Party
    amount_fen: int
    description: str


@dataclass(frozen=True)
class PartResult:
    """`result`: PENDING, SUCCESS or CLOSED, with the channel's word why in `fail_reason`."""

    account: str
    amount_fen: int
    result: str
    fail_reason: str = ""


@dataclass(frozen=True)
class SharingResult:
    """`is_finished` says that every part was decided upon, not that any of them went well."""

    out_order_no: str
    channel_no: str
    is_finished: bool
    parts: tuple[PartResult, ...]


@dataclass(frozen=True)
class ReturnResult:
    """`result`: PROCESSING, SUCCESS or FAILED."""

    out_return_no: str
    result: str
    amount_fen: int
    fail_reason: str = ""


class SharingChannel(Protocol):
    """Sharing under one account; asking again under the same number is always safe.

    Every method raises ChannelRefused for a no and ChannelUnavailable where nobody can tell.
    """

    @property
    def account(self) -> str:
        """The account that its payments are made through."""

    @property
    def provider(self) -> str:
        """The service provider's own number, which may receive as well."""

    @property
    def seller(self) -> str:
        """Whose money is shared: the sub-merchant's own number."""

    def add_party(self, party: Party) -> None:
        """May receive from now on; known ones too."""

    def delete_party(self, party: Party) -> None:
        """May receive no longer; unknown ones too."""

    def share(self, out_order_no: str, transaction_id: str, parts: Sequence[Part]) -> SharingResult:
        """Ask for the parts; what is left stays held back until `release`."""

    def release(self, out_order_no: str, transaction_id: str, description: str) -> SharingResult:
        """What is left of a payment is the seller's; under a number of its own."""

    def query_sharing(self, out_order_no: str, transaction_id: str) -> SharingResult | None:
        """None: the channel knows no such number."""

    def give_back(
        self, out_return_no: str, out_order_no: str, party_account: str, amount_fen: int
    ) -> ReturnResult:
        """A merchant that received gives some of it back to the seller."""

    def query_return(self, out_return_no: str, out_order_no: str) -> ReturnResult | None:
        """None: the channel knows no such number."""

    def unshared_fen(self, transaction_id: str) -> int:
        """What of a payment is still held back."""

    def most_bp(self) -> int:
        """How much of a payment may be shared at most."""
