"""Staff work in the chat: today's figures, a member, a coupon given or redeemed, a word for a
campaign. Who they are is what WeChat says; what they may is their role's; every act is audited.
"""

from official_account.commands.answering import is_meant, obey, tapped
from official_account.commands.parsing import Command, read

__all__ = ["Command", "is_meant", "obey", "read", "tapped"]
