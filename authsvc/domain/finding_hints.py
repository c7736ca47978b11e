"""What to do about a refused credential: one advice for its main finding, and never a wrong one."""
# ruff: noqa: S105 - texts about tokens, no secrets

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import Finding, FindingCode

_WHOLE_KEY: Final = "Copy the whole key anew: orch_ and 40 hexadecimal digits."
_SECRET: Final = (
    "Send the secret, which was shown once when the key was created; if it is lost, create "
    "another key."
)
_WHOLE_TOKEN: Final = "Copy the whole token anew: three parts of base64url, joined by dots."
_OUR_TOKEN: Final = "Send an access token that this service issued: log in anew, here."
_LOG_IN: Final = "Log in anew."
_ENABLE_USER: Final = "Ask an owner of the account to enable the user."
_HERE: Final = "Check that the token was issued in this environment."

_MEND: Final = {
    FindingCode.HEADER_NAME: "Remove the header's name from its value.",
    FindingCode.SCHEME_DOUBLED: "Send the scheme Bearer once: something puts it there already.",
    FindingCode.OTHER_SCHEME: "Use the scheme Bearer.",
    FindingCode.BLANK_MISSING: "Put one blank, and nothing else, between Bearer and it.",
    FindingCode.QUOTED: "Remove the quotation marks around it.",
    FindingCode.WHITE_SPACE_BEFORE: "Remove the white space before it.",
    FindingCode.WHITE_SPACE_BEHIND: "Remove the white space behind it.",
    FindingCode.LINE_BREAK_BEHIND: "Remove the line break behind it.",
    FindingCode.PUNCTUATION_BEHIND: "Remove the punctuation behind it.",
    FindingCode.NOT_ASCII: "Remove the character that is not ASCII.",
    FindingCode.PREFIX_UPPER_CASE: "Write the prefix orch_ in lower case.",
    FindingCode.PREFIX_MISSING: "Put orch_ before it.",
    FindingCode.PREFIX_WRONG: "Put orch_ in the place of its prefix.",
    FindingCode.PREFIX_DOUBLED: "Send the prefix orch_ once.",
    FindingCode.UPPER_CASE_HEXADECIMAL: "Write it in lower case.",
}
"""How the form is mended, where that makes it a good credential."""

_INSTEAD: Final = {
    FindingCode.NOTHING_SENT: "Send the header `Authorization: Bearer <key>`.",
    FindingCode.ONLY_SCHEME: "Put the key behind the scheme: the variable that it comes from may "
    "be empty.",
    FindingCode.OVER_LIMIT: "Send one key or token and nothing more: neither is as long as this.",
    FindingCode.NOT_ASCII: "Copy it anew, without the character that is not ASCII.",
    FindingCode.VARIABLE: "The variable was not expanded: check its quoting, and that it is set "
    "there.",
    FindingCode.PLACEHOLDER: "Put a real key in the place of the placeholder.",
    FindingCode.HINT: _SECRET,
    FindingCode.KEY_ID: _SECRET,
    FindingCode.PERCENT_ENCODED: "Send it as it is, without percent-encoding.",
    FindingCode.PREFIX_WRONG: "Send a key of this service: orch_ and 40 hexadecimal digits.",
    FindingCode.TRUNCATED: _WHOLE_KEY,
    FindingCode.TOO_LONG: "Copy the key anew, and nothing more: orch_ and 40 hexadecimal digits.",
    FindingCode.NOT_HEXADECIMAL: _WHOLE_KEY,
    FindingCode.UNRECOGNISED: "Send `Authorization: Bearer <key>`, where a key is orch_ and 40 "
    "hexadecimal digits.",
    FindingCode.TOKEN_SEGMENTS: _WHOLE_TOKEN,
    FindingCode.TOKEN_NOT_BASE64URL: _WHOLE_TOKEN,
    FindingCode.TOKEN_ENCRYPTED: _OUR_TOKEN,
    FindingCode.TOKEN_HEADER_UNREADABLE: _WHOLE_TOKEN,
    FindingCode.TOKEN_HEADER_MEMBERS: _OUR_TOKEN,
    FindingCode.TOKEN_PAYLOAD_UNREADABLE: _WHOLE_TOKEN,
    FindingCode.TOKEN_TYPE: "Send the access token, and no other token of the session.",
    FindingCode.TOKEN_UNSIGNED: _OUR_TOKEN,
    FindingCode.TOKEN_ALGORITHM: _OUR_TOKEN,
    FindingCode.TOKEN_KID_MISSING: _OUR_TOKEN,
    FindingCode.TOKEN_KID_UNKNOWN: "Check that the token was issued in this environment, and log "
    "in anew: its signing key may have been taken out of use.",
    FindingCode.TOKEN_SIGNATURE: "Copy the whole token anew: it was changed or cut after it was "
    "signed.",
    FindingCode.TOKEN_NOT_YET_VALID: "Check the clock of the machine that issued the token.",
    FindingCode.TOKEN_ISSUER: _OUR_TOKEN,
    FindingCode.TOKEN_AUDIENCE: "Log in anew; the token must be issued for this service.",
    FindingCode.TOKEN_CLAIM_MISSING: _OUR_TOKEN,
    FindingCode.TOKEN_CLAIM_MALFORMED: _OUR_TOKEN,
    FindingCode.TOKEN_EXPIRED: "Refresh the session and send the new token.",
    FindingCode.ADDRESS_MISSING: "Say which IP address the client has (`client_ip`).",
    FindingCode.RATE_LIMIT_REACHED: "Wait until the next request passes; send fewer, or have the "
    "key's rate limit raised.",
    FindingCode.TOKEN_ACCOUNT_UNKNOWN: _HERE,
    FindingCode.TOKEN_USER_UNKNOWN: _HERE,
    FindingCode.TOKEN_USER_DISABLED: _ENABLE_USER,
    FindingCode.TOKEN_SESSION_ENDED: _LOG_IN,
    FindingCode.TOKEN_TYPE_NOT_ACCEPTED: "Send the access token, and no other token of its issuer; "
    "or accept its type in token_types.",
    FindingCode.TOKEN_CRITICAL: "Have its issuer leave crit out.",
    FindingCode.TOKEN_ALGORITHM_NOT_ACCEPTED: "Have its issuer sign with an accepted algorithm, or "
    "accept this one in algorithms.",
    FindingCode.TOKEN_KEY_NOT_OF_ISSUER: "Get a new token: its signing key may have been taken out "
    "of use.",
    FindingCode.TOKEN_KEY_UNCLEAR: "Have its issuer put the kid into its tokens.",
    FindingCode.TOKEN_LIFETIME: "Have its issuer make tokens that end sooner, or raise "
    "max_lifetime.",
    FindingCode.TOKEN_ACCOUNT_UNMAPPED: "Add the account to account_map.",
}
"""What to send, where no mending of the form helps."""

_CHECK_MAPPING: Final = (
    "Have its issuer put the claim into its tokens, or name another one in AUTHSVC_ISSUERS_FILE."
)
_INSTEAD_FOREIGN: Final = _INSTEAD | {
    FindingCode.TOKEN_UNSIGNED: "Send a token that its issuer signed.",
    FindingCode.TOKEN_AUDIENCE: "Ask its issuer for a token for this service.",
    FindingCode.TOKEN_CLAIM_MISSING: _CHECK_MAPPING,
    FindingCode.TOKEN_CLAIM_MALFORMED: _CHECK_MAPPING,
    FindingCode.TOKEN_EXPIRED: "Get a new token from its issuer.",
    FindingCode.TOKEN_ACCOUNT_UNKNOWN: "Check the account in AUTHSVC_ISSUERS_FILE, and that it is "
    "of this environment.",
}
"""The same for tokens of other issuers."""

_NEXT: Final = {
    DenialReason.MISSING_CREDENTIAL: "Send the header `Authorization: Bearer <key>`.",
    DenialReason.UNSUPPORTED_SCHEME: "Use the scheme Bearer.",
    DenialReason.INVALID_KEY_FORMAT: _WHOLE_KEY,
    DenialReason.KEY_NOT_FOUND: "Check that the key belongs to this environment and was copied "
    "unchanged.",
    DenialReason.KEY_REVOKED: "A revoked key stays revoked: create another one.",
    DenialReason.KEY_DISABLED: "Ask the key's owner to enable it, or use another key.",
    DenialReason.KEY_EXPIRED: "Create another key.",
    DenialReason.TOKEN_INVALID: _LOG_IN,
    DenialReason.TOKEN_EXPIRED: _INSTEAD[FindingCode.TOKEN_EXPIRED],
    DenialReason.TOKEN_REVOKED: _LOG_IN,
    DenialReason.ACCOUNT_DISABLED: "Ask an operator to enable the account.",
    DenialReason.ADDRESS_NOT_ALLOWED: "Use the key from an address that it allows, or have its "
    "owner allow this one.",
    DenialReason.INSUFFICIENT_SCOPE: "Use a credential that has the required scopes.",
    DenialReason.RATE_LIMITED: "Wait until the limit on this address ends, then ask again.",
}


def hint_for(
    reason: DenialReason | None,
    findings: Sequence[Finding],
    mended: DenialReason | None = None,
) -> str:
    """Return what to do next, in as few sentences as there are faults to mend.

    Args:
        reason: Why the credential is refused; None when it is good.
        findings: What was found.
        mended: Why it would still be refused without the faults of its form; None when it would
            not be, or when that is not known.
    """
    if reason is None:
        return "The credential is good."
    codes = [finding.code for finding in findings]
    # The limit of a key is found; that on an address that guesses keeps all else from being found.
    over_guesses = FindingCode.RATE_LIMIT_REACHED not in codes
    if reason is DenialReason.RATE_LIMITED and over_guesses:
        return _NEXT[reason]
    # A key that is revoked, or the like, is refused whatever the address is.
    if reason is not DenialReason.ADDRESS_NOT_ALLOWED and FindingCode.ADDRESS_MISSING in codes:
        codes.remove(FindingCode.ADDRESS_MISSING)
    faults = [code for code in codes if code in _MEND]
    if FindingCode.MENDED_IS_GOOD in codes:
        return f"{_mend(faults)} What is left is good."
    if FindingCode.LOWER_CASE_IS_KNOWN in codes and FindingCode.MENDED_IS_KNOWN not in codes:
        return f"{_mend([FindingCode.UPPER_CASE_HEXADECIMAL, *faults])} It is a key that is known."
    if mended is DenialReason.RATE_LIMITED and over_guesses:
        return _NEXT[mended]
    known = {} if mended is None else _MEND
    instead = _INSTEAD_FOREIGN if FindingCode.TOKEN_FOREIGN in codes else _INSTEAD
    main = next((code for code in codes if code in instead and code not in known), None)
    advice = _NEXT[mended or reason] if main is None else instead[main]
    return advice if mended is None else f"Mending its form alone will not help. {advice}"


def _mend(faults: Sequence[FindingCode]) -> str:
    return " ".join(_MEND[fault] for fault in dict.fromkeys(faults))
