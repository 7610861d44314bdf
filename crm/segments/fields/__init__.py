"""The catalogue: every field of a rule, once.

Validation (`rules`), SQL (`compiling`), reasons (`reasons`), sentences (`words`), the console's
builder and the table in docs/crm.md are all read from here. A new field is one entry.
"""

from crm.segments.fields import (
    behaving,
    buying,
    campaigning,
    couponing,
    person,
    scores,
    totals,
    visiting,
)
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param

FIELDS: dict[str, Field] = {
    field.name: field
    for module in (
        totals,
        visiting,
        buying,
        scores,
        couponing,
        campaigning,
        person,
        behaving,
    )
    for field in module.FIELDS
}

__all__ = ["FIELDS", "Condition", "Field", "Names", "Op", "Param"]
