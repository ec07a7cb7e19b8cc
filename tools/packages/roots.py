"""A small CA file: of the SDK's bundle only the roots that certificates of AWS go back to.

Parsing the whole bundle takes most of the first call over TLS. The roots are picked by fingerprint
from the bundle that the package has anyway; nothing is fetched. They are those of Amazon Trust
Services, https://www.amazontrust.com/repository, which AWS asks its callers to trust.
"""

from __future__ import annotations

import hashlib
import re
import ssl

FILE_NAME = "amazon-roots.pem"

# SHA-256 of the certificate, as the repository publishes it.
AMAZON_ROOTS = {
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e": "Amazon Root CA 1",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4": "Amazon Root CA 2",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4": "Amazon Root CA 3",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092": "Amazon Root CA 4",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5": (
        "Starfield Services Root Certificate Authority - G2"
    ),
}

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class RootMissing(Exception):
    """The SDK's bundle does not hold a root that AWS uses."""


def amazon_roots(bundle: str) -> bytes:
    """Return the roots of AWS from a PEM bundle. Raises RootMissing."""
    found = {
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest(): text
        for text in _CERTIFICATE.findall(bundle)
    }
    missing = [name for digest, name in AMAZON_ROOTS.items() if digest not in found]
    if missing:
        raise RootMissing(f"not in the SDK's bundle: {', '.join(missing)}")
    return "\n".join(
        f"# {name}\n{found[digest]}\n" for digest, name in AMAZON_ROOTS.items()
    ).encode()
