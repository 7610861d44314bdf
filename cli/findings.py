"""What a check of the doctor says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One check: `level` is ok, warn or fail; `advice` says what to do."""

    level: str
    what: str
    advice: str = ""
