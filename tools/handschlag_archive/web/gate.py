"""The gate: the only way from the network to a handler.

For each request, in this order: is it for this host, and from our own page? whose session is it? is the route in the
table for that role? does a change carry the session's token? is the body of the right type, and small enough? Only
then is it read and handed to the handler, in a thread. Whatever goes wrong, the answer has all headers, says no more
than a word, and the log says which route, and what kind of error, but no value of anything.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hmac import compare_digest
from typing import Final

import anyio
import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handschlag_archive.index import IndexBusy
from handschlag_archive.web.asked import JSON, Answer, Asked, Refused, User, not_found
from handschlag_archive.web.limits import Throttle
from handschlag_archive.web.logins import Logins
from handschlag_archive.web.routes import Route
from handschlag_archive.web.static_files import StaticFile

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), payment=()",
}
"""On every answer, whatever it is."""

_RAW_HEADERS: Final = tuple(
    (name.encode(), value.encode()) for name, value in {**HEADERS, "cache-control": "no-store"}.items()
)
CSRF_HEADER: Final = "x-handschlag-csrf"
_THREADS: Final = 8
_HEAD_AT_MOST: Final = 16 * 1024
_BODY_WITHIN_S: Final = 60
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_log: Final = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Manners:
    """How this server is reached. `plain`: without TLS, on this machine only, for tests and the demonstration."""

    plain: bool = False
    hosts: frozenset[str] | None = None
    """The names under which it may be asked for; None: any. Plain, never any."""
    trusted_proxies: frozenset[str] = frozenset()
    clock: Callable[[], datetime] = _now

    @property
    def cookie(self) -> str:
        """The session's cookie; browsers take one called `__Host-` only over TLS, for this very host and all of it."""
        return "handschlag" if self.plain else "__Host-handschlag"

    def admits(self, host: str) -> bool:
        """Whether a request may ask for this host: another site's name that leads here is none of ours."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and ":" in host else host
        if self.plain:
            return name in _LOCAL_HOSTS
        return self.hosts is None or name.lower() in self.hosts

    def address(self, request: Request) -> str:
        """Who calls: of a trusted proxy's word only the last, which it has added itself."""
        peer = request.client.host if request.client else ""
        if peer in self.trusted_proxies:
            said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
            return said or peer
        return peer

    def set_cookie(self, token: str) -> str:
        """The header that sets the session's token, or takes it away."""
        secure = "" if self.plain else "; Secure"
        gone = "; Max-Age=0" if not token else ""
        return f"{self.cookie}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{gone}"


class Gate:
    """The application: everything in the table, the player's files, and nothing else."""

    def __init__(
        self, routes: Sequence[Route], logins: Logins, static: Mapping[str, StaticFile], manners: Manners
    ) -> None:
        self.routes: Final = tuple(routes)
        self._logins = logins
        self._manners = manners
        self._throttle = Throttle()
        self._threads = CapacityLimiter(_THREADS)
        paths: dict[str, dict[str, Route]] = {}
        for route in routes:
            paths.setdefault(route.path, {})[route.method] = route
        self._router: ASGIApp = Router(
            [
                *(Path(path, _Endpoint(partial(self._answer, methods))) for path, methods in paths.items()),
                *(Path(path, _Endpoint(partial(_static, file))) for path, file in static.items()),
            ],
            redirect_slashes=False,
            default=_Endpoint(_nothing),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return
        shield = _Shield(send)
        request = Request(scope, receive)
        try:
            self._check_head(request)
            await self._router(scope, receive, shield)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer says nothing of it
            if not isinstance(error, Refused):
                _tell("gate", error)
            if not shield.started:
                await _response(_refusal(error))(scope, receive, shield)

    def _check_head(self, request: Request) -> None:
        size = sum(len(name) + len(value) for name, value in request.headers.raw) + len(request.url.path)
        if size + len(request.url.query) > _HEAD_AT_MOST:
            raise Refused(431, "too-large", f"a request's head has {_HEAD_AT_MOST} bytes at most")
        if not self._manners.admits(request.headers.get("host", "")):
            raise Refused(421, "misdirected", "this server is not asked for under that name")

    async def _answer(self, methods: Mapping[str, Route], request: Request) -> Answer:
        route = methods.get(request.method)
        if route is None:
            raise _Wrong(405, "not-allowed", "not that method", headers={"allow": ", ".join(sorted(methods))})
        now, address = self._manners.clock(), self._manners.address(request)
        token = request.cookies.get(self._manners.cookie)
        _check_site(request)
        if route.roles is None:
            wait_s = self._throttle.wait_s(address, now)
            if wait_s:
                raise Refused(429, "too-many", "too many tries; wait", retry_after_s=wait_s)
            user, renewed = None, None
        else:
            user, renewed = await run_sync(partial(self._logins.find, token, now), limiter=self._threads)
        try:
            _check(route, user, request)
            asked = Asked(
                now=now,
                address=address,
                parameters=request.path_params,
                query=request.query_params,
                headers=request.headers,
                body=await _body(request, route),
                user=user,
                token=token,
            )
            answer = await run_sync(partial(route.handler, asked), limiter=self._threads)
        except Exception as error:  # noqa: BLE001 - a new token must reach the browser with any answer
            if not isinstance(error, Refused):
                _tell(route.name, error)
            answer = _refusal(error)
        if answer.cookie is None and renewed is not None:
            answer = replace(answer, cookie=renewed)
        if answer.cookie is not None:
            cookie = {"set-cookie": self._manners.set_cookie(answer.cookie)}
            answer = replace(answer, headers={**answer.headers, **cookie})
        _log.info("%s %d", route.name, answer.status)
        return answer


class _Shield:
    """Sends, with all headers on whatever it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            there = {name for name, _ in message["headers"]}
            more = [(name, value) for name, value in _RAW_HEADERS if name not in there]
            message = {**message, "headers": [*message["headers"], *more]}
        await self._send(message)


class _Wrong(Refused):
    """A refusal that needs a header of its own."""

    def __init__(self, status: int, word: str, text: str, *, headers: Mapping[str, str]) -> None:
        super().__init__(status, word, text)
        self.headers: Final = headers


class _Endpoint:
    """One path, as the router wants it."""

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive))
        await _response(answer)(scope, receive, send)


async def _nothing(_request: Request) -> Answer:
    raise not_found()


async def _static(file: StaticFile, request: Request) -> Answer:
    if request.method not in {"GET", "HEAD"}:
        raise _Wrong(405, "not-allowed", "not that method", headers={"allow": "GET, HEAD"})
    kept = "public, max-age=31536000, immutable" if file.lasting else "no-cache"
    headers = {"etag": file.etag, "cache-control": kept}
    if request.headers.get("if-none-match") == file.etag:
        return Answer(status=304, headers=headers)
    if request.method == "HEAD":
        return Answer(type=file.type, headers={**headers, "content-length": str(len(file.content))})
    return Answer(body=file.content, type=file.type, headers=headers)


def _check_site(request: Request) -> None:
    """Browsers say from where a request comes; from elsewhere none is taken."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Refused(403, "cross-site", "not from another site")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Refused(403, "cross-site", "not from another site")


def _check(route: Route, user: User | None, request: Request) -> None:
    """Deny by default: only who is named in the table comes through."""
    if route.roles is None:
        return
    if user is None:
        raise Refused(401, "no-session", "log in first")
    if request.method not in {"GET", "HEAD"}:
        given = request.headers.get(CSRF_HEADER, "")
        if not compare_digest(given.encode(), user.csrf.encode()):
            raise Refused(403, "bad-csrf", "the session's token is missing or wrong")
    if user.role not in route.roles:
        raise Refused(403, "not-allowed", "your role may not do that")


async def _body(request: Request, route: Route) -> bytes:
    if route.takes is None:
        return b""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != route.takes:
        raise Refused(415, "wrong-type", f"the body must be {route.takes}")
    length = request.headers.get("content-length")
    if length is not None and (not length.isdecimal() or int(length) > route.at_most):
        raise _too_large(route)
    parts: list[bytes] = []
    left = route.at_most
    try:
        with anyio.fail_after(_BODY_WITHIN_S):
            async for part in request.stream():
                left -= len(part)
                if left < 0:
                    raise _too_large(route)
                parts.append(part)
    except TimeoutError:
        raise Refused(408, "too-slow", "the body did not come in time") from None
    return b"".join(parts)


def _too_large(route: Route) -> Refused:
    return Refused(413, "too-large", f"at most {route.at_most} bytes")


def _refusal(error: Exception) -> Answer:
    """What somebody is told of an error."""
    headers: dict[str, str] = {}
    match error:
        case _Wrong():
            headers.update(error.headers)
        case Refused(retry_after_s=int(seconds)):
            headers["retry-after"] = str(seconds)
        case Refused():
            pass
        case OSError() | IndexBusy():
            error = Refused(503, "busy", "the archive cannot do that at the moment")
            headers["retry-after"] = "2"
        case _:
            error = Refused(500, "failed", "the archive could not do that")
    body = msgspec.json.encode({"error": error.word, "text": str(error)})
    return Answer(status=error.status, body=body, type=JSON, headers=headers)


def _tell(where: str, error: Exception) -> None:
    """Where in the program it went wrong, and what kind of error it was; what it says may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    way = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    _log.error("%s: %s at %s", where, type(error).__name__, way)


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers, answer.type)
    return StreamingResponse(answer.body, answer.status, headers, answer.type)
