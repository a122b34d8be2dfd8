"""Which servers may be sent a key when a config chooses the server: a config may come from somebody else.

Nothing here looks a name up. Names and addresses are compared as texts in one form, so that the same host is found the
same however it is written, and what could be read in two ways is no address at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from r2po.errors import InputError
from r2po.llm.address import parse_base_url, shown

VARIABLE = "R2PO_KEY_HOSTS"
"""Names further hosts that may be sent keys: ``host`` or ``host:port``, with commas between."""
DEFAULT_PORTS = {"http": 80, "https": 443}
_PORTS = 2**16
# Narrower than what addresses may be, so that no two programs can read one differently.
_PLAIN = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:!$&+,;=%-]*)*")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_LIKE_A_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")


@dataclass(frozen=True)
class Origin:
    """Where a server is: ``host`` in the one form that ``plain_host`` gives."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host and port as in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, by its name or address alone."""
        return is_loopback(self.host)


def plain_host(text: str) -> str | None:
    """Return a host in one form; None for what is no host or may mean several.

    Names are in lower case and without the dot at the end. Of IP addresses, only the usual form counts: four decimal
    numbers, or IPv6. Others, such as ``2130706433`` or ``127.1``, are addresses for some programs and names for others.
    """
    try:
        return _plain_address(ip_address(text))
    except ValueError:
        host = text.lower().removesuffix(".")
    is_name = _NAME.fullmatch(host) and not _LIKE_A_NUMBER.fullmatch(host.rpartition(".")[2])
    return host if is_name else None


def _plain_address(address: IPv4Address | IPv6Address) -> str | None:
    if isinstance(address, IPv4Address):
        return str(address)
    if address.scope_id is not None:
        return None
    return str(address.ipv4_mapped or address)


def is_loopback(host: str) -> bool:
    """Whether a host, in one form, is this machine, without asking anybody."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_base_url(text: str, key: str) -> str:
    """Return the base URL of a config without a slash at its end.

    Raises:
        InputError: It is none, or has a user's name or a password, which no log may hold. The message has neither.
    """
    text = text.strip()
    expected = "expected an address like https://host:port/path"
    if "@" in text:
        raise InputError(
            f"{key} is {shown(text)!r}, with a user's name or a password before it, which a config must not have; "
            f"{expected}, and a key in the environment"
        )
    url, _ = parse_base_url(text, key)
    if not _PLAIN.fullmatch(url) or origin_of(url) is None:
        raise InputError(f"{key} is {shown(text)!r}, which not every program reads in the same way; {expected}")
    return url


def origin_of(url: str) -> Origin | None:
    """Return where the server of an address is; None if that is not plain."""
    parts = urlsplit(url)
    host = plain_host(parts.hostname or "")
    port = parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme, 0)
    return Origin(parts.scheme, host, port) if host and port else None


def may_have_key(url: str, home: str, base_url: str, hosts: str) -> bool:
    """Whether the server at an address that a config chose may be sent a provider's key.

    Args:
        url: The address.
        home: Address of the provider's own server.
        base_url: What the provider's variable for the base URL holds; empty if it is not set.
        hosts: What ``R2PO_KEY_HOSTS`` holds.

    Raises:
        InputError: An entry of ``hosts`` is no host, and nothing else allows it.
    """
    origin = origin_of(url)
    if origin is None:
        return False
    if origin.is_here or origin == origin_of(home) or (base_url and origin == _origin_in(base_url)):
        return True
    return any(origin.host == host and port in (None, origin.port) for host, port in _named(hosts))


def _origin_in(base_url: str) -> Origin | None:
    """Return the origin that the environment names; it may have a password, and need not be usable."""
    try:
        return origin_of(parse_base_url(base_url, "")[0])
    except (InputError, ValueError):
        return None


def _named(hosts: str) -> Iterator[tuple[str, int | None]]:
    """Yield each host and its port; None for all of its ports."""
    for entry in filter(None, (each.strip() for each in hosts.split(","))):
        match = re.fullmatch(r"(?:\[(?P<bare>[^]]*)\]|(?P<name>[^:]*))(?::(?P<port>[0-9]{1,5}))?", entry)
        # An IPv6 address without brackets has colons, but no port.
        host = plain_host((match["bare"] or match["name"] or "") if match else entry)
        port = int(match["port"]) if match and match["port"] else None
        if not host or (port is not None and not 0 < port < _PORTS):
            raise InputError(f"{VARIABLE} has {shown(entry)!r}; expected host or host:port, with commas between")
        yield host, port
