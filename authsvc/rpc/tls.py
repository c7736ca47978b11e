"""TLS of the gRPC ports, by files that are read again when they change, without a restart."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import grpc
import structlog

from authsvc.rpc.certificate_checks import (
    CLIENT_CA,
    SERVER,
    validity_of_authorities,
    validity_of_pair,
)
from authsvc.rpc.certificate_files import CertificateFiles

_LOOK_SECONDS: Final = 1.0

log = structlog.get_logger()


class ServerTls:
    """What new connections are met with, and which clients' certificates are taken."""

    def __init__(
        self,
        chain_file: Path,
        key_file: Path,
        *,
        client_ca_file: Path | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Read the files.

        Args:
            chain_file: The certificate chain in PEM, the server's own certificate first.
            key_file: The private key of that certificate in PEM, not encrypted.
            client_ca_file: The authorities in PEM by which clients prove themselves; None: no
                port asks them to.
            clock: Tells the present.

        Raises:
            OSError: A file cannot be read.
            CertificateUnusable: They do not hold what they should.
        """
        self._pair = CertificateFiles(
            SERVER, (chain_file, key_file), validity_of_pair, keeps_valid=True, clock=clock
        )
        # Whoever takes an authority out wants it out, whatever is to be said of the others.
        self._client_ca = client_ca_file and CertificateFiles(
            CLIENT_CA, (client_ca_file,), validity_of_authorities, keeps_valid=False, clock=clock
        )
        self._ports: list[_Port] = []

    def expiry_times(self) -> Mapping[str, datetime]:
        """Return when what is served by now runs out: `server`, and `client_ca` if there is one."""
        times = {SERVER: self._pair.expires_at}
        if self._client_ca:
            times[CLIENT_CA] = self._client_ca.expires_at
        return times

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a port that asks clients for no certificate.

        They follow the files once `keep_fresh` runs, as those for the other port do.
        """
        return self._credentials(lambda: _configuration(self._pair), asks_clients=False)

    def mutual_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a port that lets in only clients with a certificate.

        Raises:
            ValueError: There are no authorities to know them by.
        """
        client_ca = self._client_ca
        if not client_ca:
            raise ValueError("no client_ca_file")
        return self._credentials(lambda: _configuration(self._pair, client_ca), asks_clients=True)

    def look(self) -> None:
        """Take the files' content for the next handshakes, if it is new and usable."""
        # Both, whatever comes of the first.
        is_new = [files.look() for files in self._all_files()]
        if any(is_new):
            for port in self._ports:
                port.renew()

    def warn_of_expiry(self) -> None:
        """Warn, once a day, of what is not valid, or runs out within two weeks."""
        for files in self._all_files():
            files.warn_of_expiry()

    async def keep_fresh(self) -> None:
        """Follow the files until cancelled."""
        while True:
            try:
                self.warn_of_expiry()
                await asyncio.sleep(_LOOK_SECONDS)
                await asyncio.to_thread(self.look)
            except Exception:
                # Without it, one surprise would be the end of reloading, and nobody would know
                # before the certificate has run out.
                log.exception("certificates not looked at, another try follows")
                await asyncio.sleep(_LOOK_SECONDS)

    def _all_files(self) -> list[CertificateFiles]:
        return [self._pair, self._client_ca] if self._client_ca else [self._pair]

    def _credentials(
        self,
        configuration: Callable[[], grpc.ServerCertificateConfiguration],
        *,
        asks_clients: bool,
    ) -> grpc.ServerCredentials:
        port = _Port(configuration)
        self._ports.append(port)
        return grpc.dynamic_ssl_server_credentials(
            configuration(),
            port.take_next,  # type: ignore[arg-type]  # None, for "as before", is not in the stubs
            asks_clients,
        )


class _Port:
    """What the next handshake on a port is to take, if it is new."""

    def __init__(self, configuration: Callable[[], grpc.ServerCertificateConfiguration]) -> None:
        self._configuration = configuration
        # Handshakes take from it in threads of gRPC's: both ends of a deque are atomic.
        self._next: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)

    def renew(self) -> None:
        self._next.append(self._configuration())

    def take_next(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            return self._next.popleft()
        except IndexError:
            return None


def _configuration(
    pair: CertificateFiles, client_ca: CertificateFiles | None = None
) -> grpc.ServerCertificateConfiguration:
    chain, key = pair.contents
    return grpc.ssl_server_certificate_configuration(
        [(key, chain)], root_certificates=client_ca.contents[0] if client_ca else None
    )
