"""Which addresses may be asked. In the dashboard, none of the machine's own network.

A visitor of the dashboard chooses the address, and this machine asks for it: without a look,
the visitor could read what only this machine may, as a cloud's metadata. So the name is
resolved here, every address it has is looked at, and the connection goes to one of those:
a name that answers differently the next time gains nothing.
"""

from __future__ import annotations

import ipaddress
from socket import SOCK_STREAM, getaddrinfo

from colabpanel.errors import InputError
from colabpanel.services.web.addresses import Address

__all__ = ["is_public", "resolve"]

_PORTS = {80, 443}
_NOT_OF_THE_INTERNET = [ipaddress.ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24")]
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


def resolve(address: Address, *, served: bool) -> list[str]:
    """Return the numbers of a host.

    Args:
        address: What shall be asked.
        served: Whether strangers use the panel, and only public addresses may be asked.

    Raises:
        InputError: It may not be asked.
        OSError: The name cannot be resolved.
    """
    if served and address.port not in _PORTS:
        raise InputError(f"Port {address.port} is not asked from a dashboard.", hint="Only ports 80 and 443 are.")
    try:
        found = getaddrinfo(address.host, address.port, type=SOCK_STREAM)
    except UnicodeError:
        raise InputError("This is no address of a file.", hint="Copy the link again.") from None
    numbers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if served and not (numbers and all(map(is_public, numbers))):
        raise InputError(
            f"{address.host} is not a public address, and a dashboard asks no others.",
            hint="Give an address on the internet.",
        )
    return numbers


def is_public(number: str) -> bool:
    """Whether an IP address belongs to the public internet, as does any that is wrapped into it.

    Those of tunnels (6to4 and Teredo), of sites and of protocols do not, whatever the running Python says of them.
    """
    address = ipaddress.ip_address(number.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.teredo is not None or address.sixtofour is not None or address.is_site_local:
            return False
        inner = _wrapped(address)
        if inner is not None:
            return is_public(str(inner))
    if any(address in network for network in _NOT_OF_THE_INTERNET if network.version == address.version):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    )


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the address of version 4 that one of version 6 leads to."""
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
