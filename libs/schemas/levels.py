"""What a case may be found to need, how urgent it is, and where it may go."""

from libs.schemas.base import CodeList, Ordered


class Level(Ordered):
    """Level of need, mildest first.

    Levels 1 to 4 of the local threshold document, with level 3 split where the law splits it: services working
    together by agreement (`targeted`), or a child in need under section 17 of the Children Act 1989. Level 4 is
    reasonable cause to suspect significant harm, section 47 of that Act.
    """

    UNIVERSAL = "universal"
    EARLY_HELP = "early_help"
    TARGETED = "targeted"
    SECTION_17 = "section_17"
    SECTION_47 = "section_47"


class Rag(Ordered):
    """Urgency, mildest first. The targets are the partnership's data and never postpone the decision's own clock."""

    BLUE = "blue"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Destination(CodeList):
    """Who helps. Placement derives it from the level and can never lower the level."""

    UNIVERSAL_ADVICE = "universal_advice"
    EARLY_HELP = "early_help"
    MASG = "masg"
    SECTION_17 = "csc_section_17"
    SECTION_47 = "csc_section_47"
    UNBORN_BABY_PANEL = "unborn_baby_panel"
    ACCESS_TO_SUPPORT = "access_to_support"
    ASSISTANT_DIRECTOR = "assistant_director"
    ALLOCATED_WORKER = "allocated_worker"
    OTHER_AUTHORITY = "other_authority"


class Stage(CodeList):
    """Where a case stands."""

    TO_BE_READ = "to_be_read"
    CHECKS = "checks"
    DECISION = "decision"
    SIGN_OFF = "sign_off"
    """A person decided, and a manager's signature is wanted before it stands."""
    HAND_OVER = "hand_over"
    """The decision stands, and the receiving end has not accepted the child yet: the case is still ours."""
    DECIDED = "decided"
    CLOSED = "closed"
    PROCESSING_STOPPED = "processing_stopped"
