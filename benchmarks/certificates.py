"""A certificate for this machine, and a list of authorities that includes its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files: the server's certificate with its key, and the trusted authorities."""

    server: Path
    authorities: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Return variables that make clients of aiohttp and of requests trust the certificate."""
        return {"SSL_CERT_FILE": str(self.authorities), "REQUESTS_CA_BUNDLE": str(self.authorities)}


def make_certificate(folder: Path) -> Certificate:
    """Create a certificate in `folder`.

    The list includes all of certifi's authorities, so that clients load as many as in production.
    """
    authority = trustme.CA()
    certificate = Certificate(folder / "server.pem", folder / "authorities.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        certificate.server
    )
    certificate.authorities.write_text(certifi.contents())
    authority.cert_pem.write_to_path(certificate.authorities, append=True)
    return certificate
