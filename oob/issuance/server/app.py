"""The HTTP application: routes, the headers that every answer carries, and faults as problem documents."""

import logging
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oob.errors import StorageError
from oob.issuance.problems import Kind, Problem
from oob.issuance.server import accounts, bindings, directory, orders, sessions
from oob.issuance.server.exchange import problem_reply
from oob.issuance.server.issuer import Issuer
from oob.issuance.server.policy import APP

_log = logging.getLogger(__name__)
Handler = Callable[[Issuer, Request], Awaitable[Response]]

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/directory", directory.directory),
    ("GET", "/new-nonce", directory.new_nonce),
    ("GET", "/root.pem", directory.root),
    ("POST", "/new-order", orders.new_order),
    ("POST", "/order/{order}/finalize", orders.finalize),
    ("POST", "/cert/{certificate}", orders.certificate),
    ("POST", "/order/{order}", orders.order),
    ("POST", "/authz/{order}/{index}", orders.authorization),
    ("POST", "/new-account", accounts.new_account),
    ("POST", "/account/{account}", accounts.account),
    ("POST", "/account/{account}/orders", accounts.orders),
    ("POST", "/sessions", sessions.new_session),
    ("POST", "/sessions/{session}", sessions.session),
    ("POST", "/bindings", bindings.new_binding),
)
_FOR_SCRIPTS = ["Replay-Nonce", "Location", "Link", "Retry-After"]


def create_app(issuer: Issuer) -> Starlette:
    """Return the ASGI application of an issuer."""

    async def not_routed(_: Request, error: Exception) -> Response:
        return _stamped(issuer, problem_reply(_of_http(error)))

    pages = sorted(issuer.policy.origins - {APP})
    cors = Middleware(
        CORSMiddleware,
        allow_origins=pages,
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type"],
        expose_headers=_FOR_SCRIPTS,
    )
    return Starlette(
        routes=[Route(path, _endpoint(issuer, handler), methods=[method]) for method, path, handler in _ROUTES],
        middleware=[cors] if pages else [],
        exception_handlers={HTTPException: not_routed},
    )


def _endpoint(issuer: Issuer, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(issuer, request)
        except Problem as problem:
            response = problem_reply(problem)
        except StorageError as error:
            _log.error("%s", error)
            response = problem_reply(Problem(Kind.UNAVAILABLE, _BROKEN, headers={"Retry-After": "30"}))
        except Exception:
            _log.exception("%s failed", request.scope["path"])
            response = problem_reply(Problem(Kind.SERVER_INTERNAL, "the issuer failed, and has logged why"))
        return _stamped(issuer, response)

    return endpoint


def _stamped(issuer: Issuer, response: Response) -> Response:
    """Add what every answer carries: a nonce (RFC 8555, section 6.5) and the way to the directory (section 7.1)."""
    headers = response.headers
    headers["Replay-Nonce"] = issuer.nonces.give()
    headers["Cache-Control"] = "no-store"
    headers.append("Link", f'<{issuer.directory_url}>;rel="index"')
    return response


def _of_http(error: Exception) -> Problem:
    if isinstance(error, HTTPException) and error.status_code == 405:
        return Problem(Kind.METHOD_NOT_ALLOWED, "this resource takes another method", headers=error.headers)
    return Problem(Kind.NOT_FOUND, "there is nothing at this URL")


_BROKEN = "the issuer cannot use its storage now"
