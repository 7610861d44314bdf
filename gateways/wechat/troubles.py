"""What a refused message means for whoever sent it: who is at fault, and whether to go on."""

from enum import StrEnum


class Trouble(StrEnum):
    """The first four are about the receiver, the next two about the moment, the others about us."""

    blocked = "blocked"
    refused = "refused"
    unfollowed = "unfollowed"
    unknown_user = "unknown_user"
    window_over = "window_over"
    not_granted = "not_granted"
    template = "template"
    content = "content"
    account = "account"
    other = "other"


_MEANING: dict[Trouble, tuple[int, ...]] = {
    Trouble.blocked: (43019, 40226),
    Trouble.refused: (48002,),
    Trouble.unfollowed: (43004, 50005),
    Trouble.unknown_user: (40003, 43104, 46004),
    Trouble.window_over: (45015, 45047),
    Trouble.not_granted: (43101,),
    Trouble.template: (40037, 43116, 43107, 47003),
    Trouble.content: (45168, 45002, 40165, 41030),
    Trouble.account: (48001, 48004, 50002, 50007, 45109, 40013, 40125, 40164, 40243, 50004, 61003),
}
_BY_CODE = {code: trouble for trouble, codes in _MEANING.items() for code in codes}

HOPELESS = frozenset({Trouble.template, Trouble.content, Trouble.account})
"""The next message would be refused for the same reason, whoever it is for."""


def trouble_of(errcode: int) -> Trouble:
    return _BY_CODE.get(errcode, Trouble.other)
