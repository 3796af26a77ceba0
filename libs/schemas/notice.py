"""What the referrer is told, and how it travels."""

from libs.schemas.base import CodeList


class NoticeKind(CodeList):
    """What a notice says."""

    RECEIPT = "receipt"
    BEING_LOOKED_AT = "being_looked_at"
    OUTCOME = "outcome"
    CHALLENGE = "challenge"


class NoticeChannel(CodeList):
    """The channel that the referrer's organisation registered, or that the referrer named as safe."""

    EMAIL = "email"
    SMS = "sms"


class NoticeState(CodeList):
    """Where a notice stands. `unsure` is a send whose answer was lost: it is looked up before it is sent again."""

    TO_SEND = "to_send"
    UNSURE = "unsure"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
