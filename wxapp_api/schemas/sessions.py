"""Logging in."""

from typing import Annotated

from pydantic import Field, StringConstraints

from wxapp_api.schemas.common import In, Out


class SessionIn(In):
    code: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="of wx.login, or of WeChat's log-in page for websites"
    )
    appid: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="which mini-program or website; may be left out for the only mini-program"
    )


class UserOut(Out):
    id: str = Field(description="the member's card number")
    nickname: str
    avatar: str


class SessionOut(Out):
    token: str = Field(description="opaque; for the Authorization header")
    expires_in: int = Field(description="seconds")
    user: UserOut
