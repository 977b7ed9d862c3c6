"""Who may ask, with a token and without, and what health tells to anybody."""

import pytest
from liveserver import RUN, LiveServer, PaintingEngine, form, problem, raw, refusal, serving

BODY = form(("prompt", "x"))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (None, (400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")),
        ("hush", (400, 6003, "Invalid request headers")),
        ("Bearer", (400, 6003, "Invalid request headers")),
        ("Basic aHVzaDo=", (400, 6003, "Invalid request headers")),
        ("Bearer wrong", (401, 10000, "Authentication error")),
        ("Bearer hush\xe9", (401, 10000, "Authentication error")),
    ],
)
def test_with_a_token_only_its_bearer_may_ask(header: str | None, told: tuple[int, int, str]) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    with serving(token="hüsh") as live:
        for path, method in ((RUN, "POST"), ("/client/v4/accounts/a/ai/models/search", "GET")):
            assert refusal(live.http.request(method, path, content=BODY, headers=headers)) == told
        assert live.engine.requests == []
        for scheme in (b"Bearer ", b"bearer  "):
            ours = {"authorization": scheme + "hüsh".encode()}
            assert live.http.post(RUN, content=BODY, headers=ours).status_code == 200


def test_a_malformed_header_has_its_error_chain() -> None:
    with serving(token="hush") as live:
        (error,) = live.http.post(RUN, content=BODY, headers={"authorization": "hush"}).json()["errors"]
    assert error["error_chain"] == [{"code": 6111, "message": "Invalid format for Authorization header"}]


def test_a_stranger_is_turned_away_before_the_body() -> None:
    """The body is never sent: an answer before it proves that nobody waited for it."""
    with serving(token="hush") as live:
        head = f"POST {RUN} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"
        assert b"9106" in raw(live, head.encode())


@pytest.mark.parametrize("header", [None, "Bearer anything", "Basic x", ""])
def test_without_a_token_anybody_on_this_machine_may_ask(server: LiveServer, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    assert server.http.post(RUN, content=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://[", ""])
def test_web_pages_of_other_sites_may_not(server: LiveServer, origin: str) -> None:
    headers = {"origin": origin, "host": "evil.example"}
    assert refusal(server.http.post(RUN, content=BODY, headers=headers))[:2] == (403, 9109)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8770", "http://localhost:3000", "http://[::1]:8770"])
def test_web_pages_of_this_machine_may(server: LiveServer, origin: str) -> None:
    assert server.http.post(RUN, content=BODY, headers={"origin": origin}).status_code == 200


def test_a_page_from_the_very_address_that_is_asked_may(server: LiveServer) -> None:
    """As in the home network, where the server's own playground is opened by the machine's address."""
    ours, theirs, name = "192.168.1.5:8770", "192.168.1.6:8770", "rebound.example:8770"
    for host, page, status in ((ours, ours, 200), (ours, theirs, 403), (name, name, 403)):
        headers = {"host": host, "origin": f"http://{page}"}
        assert server.http.post(RUN, content=BODY, headers=headers).status_code == status


def test_any_host_header_will_do(server: LiveServer) -> None:
    assert server.http.post(RUN, content=BODY, headers={"host": "workers-binding.ai"}).status_code == 200


def test_a_listed_origin_may_call_and_read() -> None:
    origin = "https://studio.example"
    with serving(cors_origins=(origin,)) as live:
        preflight = {"origin": origin, "access-control-request-method": "POST"}
        assert live.http.options(RUN, headers=preflight).headers["access-control-allow-origin"] == origin
        answer = live.http.post(RUN, content=BODY, headers={"origin": origin})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        other = live.http.post(RUN, content=BODY, headers={"origin": "https://evil.example"})
        assert refusal(other)[:2] == (403, 9109)
        assert "access-control-allow-origin" not in other.headers


def test_a_token_vouches_for_any_page() -> None:
    with serving(token="hush") as live:
        headers = {"origin": "https://studio.example", "authorization": "Bearer hush"}
        assert live.http.post(RUN, content=BODY, headers=headers).status_code == 200


def test_health_needs_no_token_and_tells_why_not_ready() -> None:
    with serving(PaintingEngine(ready=False), token="hush") as live:
        assert live.http.get("/healthz").json()["result"] == {"status": "alive"}
        assert refusal(live.http.get("/readyz"))[:2] == (503, 3040)
        live.engine.stopped = "The engine stopped"
        assert refusal(live.http.get("/readyz")) == (500, 8007, "The engine stopped")
        live.engine.stopped = None
        asked = live.http.post(RUN, content=BODY, headers={"authorization": "Bearer hush"})
        assert problem(asked) == (503, 3040, "AiError: There are no weights")
        live.engine.ready = True
        ready = live.http.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["result"].items() >= {"status": "ready", "running": 0, "queued": 0}.items()
        assert [live.http.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
