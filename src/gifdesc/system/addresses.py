"""The network addresses of a host, and which of them are public."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses whose last 32 bits are an IPv4 address (RFC 6052, section 2.1)."""


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, those to try first in front.

    Args:
        host: a name, or an address in any form that the operating system reads.
        port: of the server.

    Raises:
        socket.gaierror: the host is unknown, or no name server answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet.

    Private, loopback, link-local, shared, reserved and multicast addresses do not (the IANA
    registries of special-purpose addresses), nor do IPv6 addresses that lead to such an IPv4
    address.
    """
    number = ipaddress.ip_address(address.partition("%")[0])  # without the zone of an interface
    return all(each.is_global and not each.is_multicast for each in _with_inner(number))


def _with_inner(
    number: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """An address, or the IPv4 addresses inside it where it only carries these."""
    if isinstance(number, ipaddress.IPv4Address):
        yield number
    elif number.ipv4_mapped is not None:
        yield number.ipv4_mapped
    elif number in _NAT64:
        yield ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    else:
        yield number
        if number.sixtofour is not None:
            yield number.sixtofour
        yield from number.teredo or ()
