"""The texts of session and business rejects, word for word those that clients of FIX engines expect.

Invariant: a text is looked up by its code here and nowhere else.
"""

from __future__ import annotations

from typing import Final

INVALID_TAG: Final = 0
REQUIRED_TAG_MISSING: Final = 1
NOT_DEFINED_FOR_MESSAGE: Final = 2
NO_VALUE: Final = 4
VALUE_INCORRECT: Final = 5
BAD_FORMAT: Final = 6
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_PROBLEM: Final = 10
INVALID_MSG_TYPE: Final = 11
REPEATED_TAG: Final = 13
OUT_OF_ORDER: Final = 14
GROUP_COUNT: Final = 16

REASONS: Final[dict[int, str]] = {  # SessionRejectReason(373)
    INVALID_TAG: "Invalid tag number",
    REQUIRED_TAG_MISSING: "Required tag missing",
    NOT_DEFINED_FOR_MESSAGE: "Tag not defined for this message type",
    3: "Undefined Tag",
    NO_VALUE: "Tag specified without a value",
    VALUE_INCORRECT: "Value is incorrect (out of range) for this tag",
    BAD_FORMAT: "Incorrect data format for value",
    7: "Decryption problem",
    8: "Signature problem",
    COMP_ID_PROBLEM: "CompID problem",
    SENDING_TIME_PROBLEM: "SendingTime accuracy problem",
    INVALID_MSG_TYPE: "Invalid MsgType",
    12: "XML Validation error",
    REPEATED_TAG: "Tag appears more than once",
    OUT_OF_ORDER: "Tag specified out of required order",
    15: "Repeating group fields out of order",
    GROUP_COUNT: "Incorrect NumInGroup count for repeating group",
    17: "Non \"data\" value includes field delimiter (SOH character)",
}  # fmt: skip

BUSINESS_OTHER: Final = 0
BUSINESS_UNKNOWN_ID: Final = 1
BUSINESS_UNKNOWN_SECURITY: Final = 2
BUSINESS_UNSUPPORTED: Final = 3
BUSINESS_NOT_AVAILABLE: Final = 4
BUSINESS_FIELD_MISSING: Final = 5
BUSINESS_THROTTLED: Final = 8

BUSINESS: Final[dict[int, str]] = {  # BusinessRejectReason(380)
    BUSINESS_OTHER: "Other",
    BUSINESS_UNKNOWN_ID: "Unknown ID",
    BUSINESS_UNKNOWN_SECURITY: "Unknown Security",
    BUSINESS_UNSUPPORTED: "Unsupported Message Type",
    BUSINESS_NOT_AVAILABLE: "Application not available",
    BUSINESS_FIELD_MISSING: "Conditionally Required Field Missing",
    6: "Not Authorized",
    7: "DeliverTo firm not available at this time",
    BUSINESS_THROTTLED: "Throttle limit exceeded",
}
