"""Web addresses: how messages show them, and which ones may be followed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urljoin, urlsplit, urlunsplit

__all__ = ["host_of", "is_loopback", "is_safe", "next_address", "redacted"]


def redacted(url: str) -> str:
    """Return an address without anything that could be a secret.

    Examples
    --------
    >>> redacted("https://user:pass@example.org/files/1?private_link=abc#x")
    'https://example.org/files/1'
    """
    split = urlsplit(url)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))


def host_of(url: str) -> str:
    """Return the host, with its port where one is given.

    >>> host_of("https://user@example.org:8443/files/1")
    'example.org:8443'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def is_loopback(url: str) -> bool:
    """Say whether an address is on this machine.

    >>> is_loopback("http://127.0.0.1:8000/a"), is_loopback("http://example.org/a")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(url: str) -> bool:
    """Say whether an address may be asked: https, or http on this machine.

    >>> is_safe("https://example.org/a"), is_safe("http://example.org/a"), is_safe("file:///a")
    (True, False, False)
    """
    scheme = urlsplit(url).scheme
    return bool(host_of(url)) and (scheme == "https" or (scheme == "http" and is_loopback(url)))


def next_address(url: str, location: str) -> str | None:
    """Return where a redirect leads; None if it must not be followed.

    Parameters
    ----------
    url
        What was asked.
    location
        The header of the answer, absolute or relative to `url`.

    Examples
    --------
    >>> next_address("https://example.org/a/b", "c?d=e")
    'https://example.org/a/c?d=e'
    >>> next_address("https://example.org/a", "ftp://example.org/a") is None
    True
    """
    try:
        target = urljoin(url, location)
        before, after = urlsplit(url).scheme, urlsplit(target).scheme
    except ValueError:
        return None
    allowed = after == before or (before, after) == ("http", "https")
    return target if allowed and is_safe(target) else None
