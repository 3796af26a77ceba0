"""Code lists. Where the children in need census has a list, its names and codes are used (DfE CIN census, 2024-25)."""

from libs.schemas.base import CodeList


class ContactKind(CodeList):
    """What a contact is. Only a new worry and a transfer in are counted towards re-referral."""

    NEW_WORRY = "new_worry"
    NOTIFICATION = "notification"
    INFORMATION_ON_OPEN_CASE = "information_on_open_case"
    STEP_DOWN = "step_down"
    TRANSFER_IN = "transfer_in"


class Channel(CodeList):
    """How the contact reached the hub."""

    SYSTEM = "system"
    WEB_FORM = "web_form"
    TELEPHONE = "telephone"
    EMAIL = "email"
    IN_PERSON = "in_person"


class Urgency(CodeList):
    """How soon the referrer thinks that somebody must act."""

    NOW = "now"
    TODAY = "today"
    THIS_WEEK = "this_week"
    CAN_WAIT = "can_wait"


class ChildStatus(CodeList):
    """Whether the child is born, unborn, or not identified yet."""

    BORN = "born"
    UNBORN = "unborn"
    UNIDENTIFIED = "unidentified"


class ChildPart(CodeList):
    """The child's part in what is feared."""

    THOUGHT_HARMED = "thought_harmed"
    THOUGHT_TO_HAVE_HARMED = "thought_to_have_harmed"
    OTHERWISE_IN_CONTACT = "otherwise_in_contact"


class TriState(CodeList):
    """Yes, no, or not known. Not known is never no."""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not_known"


class AgreementAnswer(CodeList):
    """What became of asking for an agreement."""

    GIVEN = "given"
    REFUSED = "refused"
    NOT_SOUGHT = "not_sought"
    UNSAFE_TO_SEEK = "unsafe_to_seek"
    NOT_APPLICABLE = "not_applicable"


class EmptyVoice(CodeList):
    """Why the child's voice was not obtained."""

    NOT_ASKED = "not_asked"
    NOT_SAFE = "not_safe"
    TOO_YOUNG = "too_young"
    DID_NOT_WISH = "did_not_wish"
    NO_SHARED_LANGUAGE = "no_shared_language"
    NOT_SEEN = "not_seen"


class ReferrerRole(CodeList):
    """The referrer's role. It decides what words the referrer may be told."""

    POLICE = "police"
    TEACHER = "teacher"
    SCHOOL_SAFEGUARDING_LEAD = "school_safeguarding_lead"
    HEALTH_VISITOR = "health_visitor"
    GP = "gp"
    MIDWIFE = "midwife"
    HOSPITAL = "hospital"
    OTHER_HEALTH = "other_health"
    SOCIAL_WORKER = "social_worker"
    EARLY_HELP_WORKER = "early_help_worker"
    HOUSING = "housing"
    OTHER_PROFESSIONAL = "other_professional"
    FAMILY = "family"
    PUBLIC = "public"
    CHILD = "child"


PROFESSIONAL_ROLES = frozenset(ReferrerRole) - {ReferrerRole.FAMILY, ReferrerRole.PUBLIC, ReferrerRole.CHILD}
"""Roles that may be told which kind of help was decided; others are told that a decision was made."""


class KnownToFamily(CodeList):
    """Whether the family may know who referred."""

    YES = "yes"
    NO = "no"
    NOT_SAID = "not_said"


class SafeChannel(CodeList):
    """How a referrer can be told safely."""

    EMAIL = "email"
    SMS = "sms"
    TELEPHONE = "telephone"
    WEBHOOK = "webhook"
    NONE = "none"


class AdultRole(CodeList):
    """An adult's place in the child's life."""

    MOTHER = "mother"
    FATHER = "father"
    CARER = "carer"
    PARTNER_OF_CARER = "partner_of_carer"
    HOUSEHOLD_MEMBER = "household_member"
    REGULAR_VISITOR = "regular_visitor"
    OTHER = "other"


class HelpKind(CodeList):
    """Kinds of help given before."""

    EARLY_HELP_ASSESSMENT = "early_help_assessment"
    SINGLE_SERVICE = "single_service"
    MASG = "masg"
    SOCIAL_CARE = "social_care"
    OTHER = "other"


class HelpResult(CodeList):
    """What came of help."""

    WORKING = "working"
    NOT_RESOLVING = "not_resolving"
    COMPLETED = "completed"
    DECLINED = "declined"
    NOT_KNOWN = "not_known"


class Sex(CodeList):
    """CIN census `Sex`; U for the unborn (rule 8750)."""

    FEMALE = "F"
    MALE = "M"
    UNKNOWN = "U"


class ReferralSource(CodeList):
    """CIN census `ReferralSource`."""

    FAMILY_MEMBER = "1A"
    ACQUAINTANCE = "1B"
    SELF = "1C"
    OTHER_INDIVIDUAL = "1D"
    SCHOOL = "2A"
    EDUCATION_SERVICES = "2B"
    GP = "3A"
    HEALTH_VISITOR = "3B"
    SCHOOL_NURSE = "3C"
    OTHER_PRIMARY_HEALTH = "3D"
    EMERGENCY_DEPARTMENT = "3E"
    OTHER_HEALTH = "3F"
    HOUSING = "4"
    LA_SOCIAL_CARE = "5A"
    LA_OTHER_INTERNAL = "5B"
    LA_EXTERNAL = "5C"
    LA_EARLY_HELP = "5D"
    POLICE = "6"
    OTHER_LEGAL = "7"
    OTHER = "8"
    ANONYMOUS = "9"
    UNKNOWN = "10"


class UpnUnknown(CodeList):
    """CIN census reasons why a unique pupil number is missing."""

    UN1 = "UN1"
    UN2 = "UN2"
    UN3 = "UN3"
    UN4 = "UN4"
    UN5 = "UN5"
    UN6 = "UN6"
    UN7 = "UN7"


class Ethnicity(CodeList):
    """CIN census `Ethnicity`. Recorded for fairness; no rule may read it."""

    WBRI = "WBRI"
    WIRI = "WIRI"
    WIRT = "WIRT"
    WOTH = "WOTH"
    WROM = "WROM"
    MWBC = "MWBC"
    MWBA = "MWBA"
    MWAS = "MWAS"
    MOTH = "MOTH"
    AIND = "AIND"
    APKN = "APKN"
    ABAN = "ABAN"
    AOTH = "AOTH"
    BCRB = "BCRB"
    BAFR = "BAFR"
    BOTH = "BOTH"
    CHNE = "CHNE"
    OOTH = "OOTH"
    REFU = "REFU"
    NOBT = "NOBT"


class Disability(CodeList):
    """CIN census `Disability`."""

    NONE = "NONE"
    MOB = "MOB"
    HAND = "HAND"
    PC = "PC"
    INC = "INC"
    COMM = "COMM"
    LD = "LD"
    HEAR = "HEAR"
    VIS = "VIS"
    BEH = "BEH"
    CON = "CON"
    AUT = "AUT"
    DDA = "DDA"
