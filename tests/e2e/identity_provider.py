"""A small OpenID Connect provider, which identifies everybody by the claims that the test sets."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.e2e.app_process import free_port, wait_for


class Provider:
    """`claims` are those of the next person, `client` is the client it serves, `requests` lists the browsers' calls."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.client = {"client_id": "backstitch", "client_secret": "of the client"}
        self.claims: dict[str, Any] = {}
        self.requests: list[str] = []
        self._key = generate_private_key(65537, 2048)
        self._nonces: dict[str, str] = {}

    def app(self) -> Starlette:
        """The provider's five routes."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
                Route("/sign-out", self._sign_out),
            ]
        )

    def secrets(self, app_url: str) -> str:
        """The section of the app's secrets.toml for this provider."""
        lines = {
            "redirect_uri": f"{app_url}/oauth2callback",
            "cookie_secret": "a secret of the tests, for cookies",
            "server_metadata_url": f"{self.url}/.well-known/openid-configuration",
        } | self.client
        return "[auth]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())

    async def _configuration(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "end_session_endpoint": f"{self.url}/sign-out",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        self.requests.append("sign in")
        code = f"code-{len(self._nonces)}"
        self._nonces[code] = query["nonce"]
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}")

    async def _token(self, request: Request) -> Response:
        (code,) = parse_qs((await request.body()).decode())["code"]
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": self.client["client_id"],
            "sub": "1",
            "iat": now,
            "exp": now + 3600,
            "nonce": self._nonces.pop(code),
        } | self.claims
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "1"})
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 3600, "id_token": token})

    async def _sign_out(self, request: Request) -> Response:
        self.requests.append("sign out")
        return RedirectResponse(request.query_params["post_logout_redirect_uri"])

    async def _keys(self, request: Request) -> Response:
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [key | {"kid": "1", "use": "sig", "alg": "RS256"}]})


@contextmanager
def running() -> Iterator[Provider]:
    """A provider that answers as long as the block runs."""
    provider = Provider()
    server = uvicorn.Server(uvicorn.Config(provider.app(), host="localhost", port=provider.port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, "the provider answers")
        yield provider
    finally:
        server.should_exit = True
        thread.join()
