"""What the failures of servers mean: their status, and the error objects that they send, whatever the status."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

_MESSAGE_LENGTH = 300

# Any other 4xx, and "not implemented", stays the same however often the request is repeated.
_RETRYABLE_4XX = frozenset({408, 429})
_PERMANENT_5XX = frozenset({501, 505})
_QUOTA_CODES = frozenset(
    {
        *("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "exceeded_current_quota_error"),
        *("usage_limit_reached", "insufficient_balance", "insufficient_credits", "billing_error"),
    }
)
# Words for a limit that holds for hours or days, or for money. "Try again in 7 minutes" says that it does not.
_QUOTA_WORDS = re.compile(
    r"(?:hourly|daily|weekly|monthly|session|usage|spending|per[- ]day|per[- ]month)[- ](?:\w+[- ]){0,2}limit"
    r"|limit\w*[: ](?:\S+ )?\S*per-(?:day|month)"
    r"|(?:insufficient|not enough|used all|out of|no) (?:\w+ )?(?:credit|balance|funds|quota)"
    r"|credit balance is too low|more credits",
    re.IGNORECASE,
)
_SOON = re.compile(r"try again in", re.IGNORECASE)
_STATUS_BY_NAME = {
    400: "bad_request invalid_request_error invalid_argument context_length_exceeded failed_precondition",
    401: "unauthorized authentication_error invalid_api_key unauthenticated",
    402: "payment_required billing_error insufficient_credits insufficient_balance",
    403: "forbidden permission_error permission_denied",
    404: "not_found not_found_error model_not_found",
    413: "request_too_large",
    429: "rate_limit_error rate_limit_exceeded too_many_requests resource_exhausted insufficient_quota throttled",
    500: "api_error server_error internal internal_server_error",
    503: "unavailable service_unavailable",
    504: "timeout_error deadline_exceeded",
    529: "overloaded_error overloaded",
}
_STATUSES = {name: status for status, names in _STATUS_BY_NAME.items() for name in names.split()}
_RATE_WORDS = re.compile(r"rate[- ]?limit|too many requests", re.IGNORECASE)


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later, judging by the status of the answer."""
    return status in _RETRYABLE_4XX or status < 300 or (status >= 500 and status not in _PERMANENT_5XX)


def told_error(payload: Any) -> Any:
    """Return what an answer with a good status says of an error, or None if it says nothing of one."""
    if not isinstance(payload, dict):
        return None
    error = payload.get("error")
    if isinstance(error, str) or (isinstance(error, dict) and (error_message(error) or told_status(payload))):
        return payload if error else None
    is_error = "error" in (payload.get("type"), payload.get("object")) or told_status(payload) is not None
    return payload if is_error and error_message(payload) else None


def told_status(payload: Any) -> int | None:
    """Return the HTTP status that an error object stands for, by its code, its name or its words; None if unknown."""
    for place in _places(payload):
        for key in ("code", "status_code", "status", "type"):
            status = _as_status(place.get(key))
            if status is not None:
                return status
    return 429 if isinstance(payload, dict) and _RATE_WORDS.search(error_message(payload.get("error"))) else None


def _as_status(value: Any) -> int | None:
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"[45][0-9]{2}", value) else _STATUSES.get(value.lower())
    return value if isinstance(value, int) and 400 <= value < 600 else None


def error_message(payload: Any, depth: int = 4) -> str:
    """Return the message in a server's error object, or an empty string.

    The usual shapes are ``{"error": "..."}``, ``{"error": {"message": "..."}}``, ``{"message": "..."}`` and
    ``{"detail": [{"msg": "...", "loc": [...]}]}``, each possibly in a list. What a server behind the server said is
    added.
    """
    if isinstance(payload, str):
        return payload
    if isinstance(payload, list):
        payload = payload[0] if payload else None
    if isinstance(payload, dict) and depth:
        texts = (error_message(payload.get(key), depth - 1) for key in ("error", "message", "detail", "msg"))
        text = next(filter(None, texts), "")
        return ": ".join(filter(None, (text, *_causes(payload, depth)))) if text else ""
    return ""


def _causes(payload: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Yield what an error object says besides its message: where the fault is, and what another server said of it."""
    location = payload.get("loc")
    if isinstance(location, list) and location and isinstance(location[-1], str) and location[-1] != "body":
        yield location[-1]
    metadata = payload.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            yield raw
            return
    yield error_message(raw, depth - 1)


def is_quota_exhausted(payload: Any, said: str = "") -> bool:
    """Tell a quota that is used up, which waiting does not help, from a rate limit; both come as a 429."""
    codes = [value for place in _places(payload) for value in (place.get("code"), place.get("type"))]
    error = payload.get("error") if isinstance(payload, dict) else None
    if any(isinstance(code, str) and code in _QUOTA_CODES for code in [error, *codes]):
        return True
    quotas = [quota for detail in _details(payload) for quota in _objects(detail.get("violations"))]
    if quotas:
        return any("PerDay" in str(quota.get("quotaId")) for quota in quotas)
    return bool(_QUOTA_WORDS.search(said)) and not _SOON.search(said)


def _places(payload: Any) -> list[dict[str, Any]]:
    """Return the objects of an answer that may have the code of an error."""
    error = payload.get("error") if isinstance(payload, dict) else None
    return _objects([error, payload])


def is_key_refused(payload: Any) -> bool:
    """Whether a server refuses the key without saying so by the status: Google's, and LiteLLM's proxy.

    That one looks into its database for a key that is not its own, and complains if it has none.
    """
    if any(place.get("type") == "no_db_connection" for place in _places(payload)):
        return True
    return any(detail.get("reason") == "API_KEY_INVALID" for detail in _details(payload))


def asked_wait_s(headers: Mapping[str, str], payload: Any) -> float | None:
    """Return the seconds that a server asks to wait, in a header or, as Google's, in the error object."""
    delays = (detail.get("retryDelay") for detail in _details(payload))
    delay = next((delay.removesuffix("s") for delay in delays if isinstance(delay, str)), None)
    return parse_retry_after(headers.get("Retry-After") or delay)


def _details(payload: Any) -> list[dict[str, Any]]:
    error = payload.get("error") if isinstance(payload, dict) else None
    return _objects(error.get("details")) if isinstance(error, dict) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def plain_text(body: bytes) -> bytes:
    """Return an error body of no known shape, unless it is an HTML page."""
    return b"" if body.lstrip().startswith(b"<") else body


_ANSI_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def one_line(text: str) -> str:
    """Return text as one printable line of at most 300 characters."""
    return cut_short(printable(text[:10_000]))


def printable(text: str) -> str:
    """Return text as one line without control, colour or direction codes."""
    text = _ANSI_SEQUENCE.sub(" ", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cut_short(line: str) -> str:
    """Return the first 300 characters of a line."""
    return line if len(line) <= _MESSAGE_LENGTH else line[: _MESSAGE_LENGTH - 1] + "…"


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait, given as a number or a date; None if unusable."""
    value = (value or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if until.tzinfo is None:  # a date in "-0000" means UTC
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
