"""Types that the JSON doors share: what comes in, what goes out."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar
from unicodedata import category

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)


def no_control_characters(text: str) -> str:
    """Nor what turns the order of a line around or hides in it; emoji are joined by U+200D."""
    if any(category(char) in ("Cc", "Cf") and char not in "\n\t\u200d" for char in text):
        raise ValueError("不能有控制字符")
    return text


IdIn = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$")]
"""An id as clients send it: digits in a string, small enough for a BIGINT."""

IdOut = Annotated[str, BeforeValidator(str)]
Fen = Annotated[int, Field(ge=0, description="人民币分")]
Note = Annotated[str, StringConstraints(max_length=200), AfterValidator(no_control_characters)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(no_control_characters),
]
Moment = Annotated[AwareDatetime, PlainSerializer(datetime.isoformat, return_type=str)]


class In(BaseModel):
    """A body: exact types, unknown fields ignored so that newer clients still work."""

    model_config = ConfigDict(strict=True, frozen=True)


class Params(BaseModel):
    """Path, query or header values, which arrive as text."""

    model_config = ConfigDict(frozen=True)


class Out(BaseModel):
    """An answer; may be read from a row or a dataclass by attribute."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class PageQuery(Params):
    limit: int = Field(20, ge=1, le=100)
    cursor: str = Field("", max_length=500)


class WriteHeader(Params):
    """`Idempotency-Key` of a write that creates or moves money."""

    idempotency_key: Annotated[
        str, StringConstraints(min_length=8, max_length=128, pattern=r"^[\x21-\x7e]+$")
    ] = Field(alias="Idempotency-Key")


Item = TypeVar("Item", bound=BaseModel)


class Page(Out, Generic[Item]):
    """One page of a list; `next` is the cursor of the following one."""

    items: list[Item]
    next: str | None = None
