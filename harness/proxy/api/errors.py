"""Answers that are errors: Toxiproxy's texts, and a few of ours."""

from __future__ import annotations

from harness.errors import HarnessError

__all__ = [
    "BAD_BODY",
    "INVALID_STREAM",
    "INVALID_TYPE",
    "MISSING",
    "PROXY_EXISTS",
    "PROXY_NOT_FOUND",
    "TOXIC_EXISTS",
    "TOXIC_NOT_FOUND",
    "ApiError",
]


class ApiError(HarnessError):
    """Ends a request with ``status`` and ``{"error": text, "status": status}``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


BAD_BODY = "bad request body"
MISSING = "missing required field"
PROXY_NOT_FOUND = (404, "proxy not found")
PROXY_EXISTS = (409, "proxy already exists")
TOXIC_NOT_FOUND = (404, "toxic not found")
TOXIC_EXISTS = (409, "toxic already exists")
INVALID_STREAM = (400, "stream was invalid, can be either upstream or downstream")
INVALID_TYPE = (400, "invalid toxic type")
