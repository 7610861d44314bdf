"""The official account's own pages: answers, menus, codes, followers, records.

They hang on one blueprint; `account` says which account a page is about.
"""

from console.official import answering, audience, codes, materials, menus, records
from console.official.blueprint import page

__all__ = ["answering", "audience", "codes", "materials", "menus", "page", "records"]
