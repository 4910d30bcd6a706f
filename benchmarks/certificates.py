"""A certificate for this machine, and the list of authorities that clients then trust."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme


@dataclass(frozen=True)
class Certificate:
    """Files: the server's certificate with its key, and the trusted authorities."""

    server: Path
    authorities: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs so that both kinds of clients, aiohttp's and requests', trust it."""
        return {"SSL_CERT_FILE": str(self.authorities), "REQUESTS_CA_BUNDLE": str(self.authorities)}


def make_certificate(folder: Path) -> Certificate:
    """A new one. The list has all of certifi's authorities: clients load as many as elsewhere."""
    authority = trustme.CA()
    certificate = Certificate(folder / "server.pem", folder / "authorities.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        certificate.server
    )
    certificate.authorities.write_text(certifi.contents())
    authority.cert_pem.write_to_path(certificate.authorities, append=True)
    return certificate
