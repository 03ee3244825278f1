"""The names of a certificate: DNS names (RFC 8555) and IP addresses (RFC 8738), each in one canonical text."""

import re
import unicodedata
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from oob.errors import UsageError

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network
MAX_NAMES = 8
SPECIAL_USE = frozenset({"example", "internal", "local", "localhost", "test"})
"""Top-level domains that no registry hands out (RFC 6761, RFC 6762, ICANN's resolution 2024.07.29.06)."""
_WIDEST = {4: 8, 6: 16}
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def as_ip(name: str) -> IpAddress | None:
    """Return the IP address that `name` is, or None for a DNS name."""
    try:
        address = ip_address(name)
    except ValueError:
        return None
    # A zone index ("fe80::1%eth0") means nothing outside one host.
    return None if getattr(address, "scope_id", None) else address


def name_type(name: str) -> str:
    """Return the ACME identifier type, "ip" or "dns"."""
    return "dns" if as_ip(name) is None else "ip"


def canonical(name: str) -> str:
    """Return `name` in lower case without a trailing dot, or the shortest form of an address.

    UsageError unless it is a host name of letters, digits and hyphens (RFC 1123) or an IP address: no wildcards, no
    Unicode.
    """
    address = as_ip(name)
    if address is not None:
        return str(address)
    text = name[:-1] if name.endswith(".") else name
    labels = text.lower().split(".") if text.isascii() else [""]
    # A last label of digits alone would be taken for an address by some resolvers.
    if len(text) > 253 or not all(map(_LABEL.match, labels)) or labels[-1].isdigit():
        raise UsageError(f"{name[:80]!r} is neither a host name nor an IP address")
    return ".".join(labels)


def network(text: str) -> IpNetwork:
    """Return an IP network such as "192.168.0.0/16"; a lone address is a network of one. UsageError if malformed."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(f"{text[:80]!r} is not an IP network: {error}") from error


def require_zone(zone: str) -> None:
    """Raise UsageError for a canonical name that is too much for one home: an address, or a top-level domain."""
    if as_ip(zone) is not None:
        raise UsageError("a DNS zone is not an IP address: give it as an IP network", step="authority")
    if "." not in zone and zone not in SPECIAL_USE:
        cause = f"{zone} is a top-level domain, and not one home's"
        raise UsageError(cause, step="authority", remedy="Choose a zone below it, or home.arpa")


def require_network(net: IpNetwork) -> None:
    """Raise UsageError for a network wider than /8 (IPv4) or /16 (IPv6)."""
    widest = _WIDEST[net.version]
    if net.prefixlen < widest:
        cause = f"{net} is wider than /{widest}, and not one home's"
        raise UsageError(cause, step="authority", remedy="Choose the network that the devices are in")


def within(name: str, zones: Iterable[str], networks: Iterable[IpNetwork]) -> bool:
    """Whether a canonical name lies in a DNS zone (itself or below it) or in an IP network."""
    address = as_ip(name)
    if address is not None:
        return any(address in each for each in networks)
    return any(name == zone or name.endswith(f".{zone}") for zone in zones)


def sanitised_label(wish: str) -> str:
    """Make one DNS label of whatever a user calls a device ("Küche 1" becomes "kuche-1"); "" if nothing is left.

    Hyphens are never doubled, so that no label comes out as punycode ("xn--…") and poses as another script.
    """
    folded = unicodedata.normalize("NFKD", wish[:256]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:63].rstrip("-")
