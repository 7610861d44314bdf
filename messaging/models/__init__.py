"""Tables of messaging, by topic."""

from messaging.models.channels import (
    Channel,
    ChannelPolicy,
    MessageWindow,
    SubscribeAnswer,
    SubscribeGrant,
    Suppression,
    WindowKind,
)
from messaging.models.chats import (
    ChatMessage,
    Conversation,
    Dialogue,
    Direction,
    QuickReply,
    ReplyRule,
)
from messaging.models.followers import AccountTag, Follower, FollowerSync, MirroredTag, SyncState
from messaging.models.materials import NEXT_MATERIAL, Material, MaterialState
from messaging.models.menus import NEXT_MENU, MenuState, MenuVersion
from messaging.models.outbound import NEXT, OutboundMessage, OutboundState
from messaging.models.scenes import Scene, SceneDay, SceneKind

__all__ = [
    "NEXT",
    "NEXT_MATERIAL",
    "NEXT_MENU",
    "AccountTag",
    "Channel",
    "ChannelPolicy",
    "ChatMessage",
    "Conversation",
    "Dialogue",
    "Direction",
    "Follower",
    "FollowerSync",
    "Material",
    "MaterialState",
    "MenuState",
    "MenuVersion",
    "MessageWindow",
    "MirroredTag",
    "OutboundMessage",
    "OutboundState",
    "QuickReply",
    "ReplyRule",
    "Scene",
    "SceneDay",
    "SceneKind",
    "SubscribeAnswer",
    "SubscribeGrant",
    "Suppression",
    "SyncState",
    "WindowKind",
]
