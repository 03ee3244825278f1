"""The directory, nonces and the root certificate (RFC 8555, sections 7.1.1 and 7.2)."""

from starlette.requests import Request
from starlette.responses import Response

from oob.issuance.server.exchange import reply
from oob.issuance.server.issuer import Issuer


async def directory(issuer: Issuer, _: Request) -> Response:
    """Answer with the URLs of this issuer; `newSession` and `newBinding` are ours, stock clients pass over them."""
    return reply(
        {
            "newNonce": issuer.url("/new-nonce"),
            "newAccount": issuer.url("/new-account"),
            "newOrder": issuer.url("/new-order"),
            "newSession": issuer.url("/sessions"),
            "newBinding": issuer.url("/bindings"),
            "meta": {"externalAccountRequired": False, "rootCertificate": issuer.url("/root.pem")},
        }
    )


async def new_nonce(_: Issuer, request: Request) -> Response:
    """Answer with nothing; every answer carries a nonce."""
    return Response(status_code=200 if request.method == "HEAD" else 204)


async def root(issuer: Issuer, _: Request) -> Response:
    """Answer with the root certificate. Who fetches it over a connection that it secures has learnt nothing."""
    return Response(issuer.authority.root_pem, media_type="application/pem-certificate-chain")
