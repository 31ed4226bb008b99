"""Limits in headers and in texts."""

from __future__ import annotations

import pytest

from harness.identify.hints import hints_in_headers, hints_in_text


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({"RateLimit-Policy": "100;w=60"}, [(100, 60)]),
        ({"RateLimit-Policy": '"burst";q=10;w=1, "day";q=5000;w=86400'}, [(10, 1), (5000, 86400)]),
        ({"RateLimit-Policy": '"d";q=60;w=60;pk=:abc=:'}, [(60, 60)]),
        ({"RateLimit-Limit": "100, 100;w=60;comment"}, [(100, 60)]),
        ({"RateLimit": "limit=100, remaining=50, reset=5"}, [(100, 0)]),
        ({"RateLimit": '"default";r=50;t=30'}, []),
        ({"X-RateLimit-Limit": "30", "X-RateLimit-Reset": "1700000000"}, [(30, 0)]),
        ({"X-Rate-Limit-Limit": "30"}, [(30, 0)]),
        (
            {"X-RateLimit-Limit-Hour": "500", "X-RateLimit-Limit-Minute": "30"},
            [(30, 60), (500, 3600)],
        ),
        ({"X-RateLimit-Limit": "30", "RateLimit-Policy": "30;w=60"}, [(30, 60)]),
        ({"X-RateLimit-Limit": "unlimited"}, []),
        ({"X-RateLimit-Limit": "0"}, []),
        ({"X-RateLimit-Limit": "²"}, []),
        ({"RateLimit-Policy": "100;w=99999999999"}, [(100, 0)]),
        ({"RateLimit-Policy": ";;=;,"}, []),
        ({"Retry-After": "7", "Server": "x"}, []),
    ],
)
def test_headers(headers: dict[str, str], limits: list[tuple[int, int]]) -> None:
    """Old and new drafts, Kong's and everybody's; what tells no number tells nothing."""
    found = hints_in_headers(tuple((name.lower(), value) for name, value in headers.items()))
    assert [(hint.count, hint.window_s) for hint in found] == limits


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("Too many: more than 100 requests per minute", [(100, 60)]),
        ("limit 30/min", [(30, 60)]),
        ("Limited to 1,000 requests per hour and 10 req/s.", [(10, 1), (1000, 3600)]),
        ("at most 5 calls in any 10 seconds", [(5, 10)]),
        ("60 requests a minute", [(60, 60)]),
        ("rate: 1_000 / 1 day", [(1000, 86400)]),
        ("Sold 30/day on average", []),
        ("version 1.30/m of the limit", []),
        ("Too many requests", []),
        ("0 requests per minute", []),
    ],
)
def test_texts(text: str, limits: list[tuple[int, int]]) -> None:
    """Sentences of documents; numbers about something else are left alone."""
    assert [(hint.count, hint.window_s) for hint in hints_in_text(text, "x")] == limits
