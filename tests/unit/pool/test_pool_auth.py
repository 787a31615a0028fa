# SPDX-License-Identifier: BSD-3-Clause
"""Who may use a pool: loopback and the token file."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.agent.join_token import join_token
from bfkernel.remote.pool.auth import (
    LOCAL,
    AuthenticationError,
    HubOptions,
    Principal,
    Role,
    authenticator_for,
    hub_options,
    is_foreign,
)
from bfkernel.remote.pool.auth.token_file import StaticTokens, read_tokens
from bfkernel.remote.state_dir import ConfigurationError

ADA, ROOT, JOIN = "ada-0123456789abcdef", "root-0123456789abcdef", "join-0123456789abcdef"


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
async def test_loopback_needs_no_token(host: str) -> None:
    authenticator = authenticator_for(host, None)
    assert await authenticator.identify(None) == LOCAL
    assert LOCAL.admin
    assert authenticator.admit_agent() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "pool.example", "localhost.example", ""])
def test_anything_else_needs_tokens_or_a_hub(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="--token-file"):
        authenticator_for(host, None)
    assert not authenticator_for(host, None, HubOptions("http://hub.example/hub/api")).open


@pytest.mark.asyncio
async def test_tokens_name_users_roles_and_groups(tmp_path: Path) -> None:
    text = f"# comment\n\nada {ADA}\nroot {ROOT} admin staff,cs231n\ngpu1 {JOIN} agent\n"
    authenticator = authenticator_for("0.0.0.0", secret_file(tmp_path, text))
    assert await authenticator.identify(ADA) == Principal("ada", Role.USER, frozenset())
    assert await authenticator.identify(ROOT) == Principal("root", Role.ADMIN, frozenset({"staff", "cs231n"}))
    assert await authenticator.identify(JOIN) == Principal("gpu1", Role.AGENT)
    for wrong in (None, "", ADA[:-1], ADA + "f", "ada", f" {ADA}"):
        with pytest.raises(AuthenticationError) as refused:
            await authenticator.identify(wrong)
        assert (refused.value.status, refused.value.code) == (401, "token")
    assert await authenticator.identify(authenticator.admit_agent()) == Principal("agent", Role.AGENT)


@pytest.mark.asyncio
async def test_a_token_file_counts_on_loopback_too(tmp_path: Path) -> None:
    authenticator = authenticator_for("127.0.0.1", secret_file(tmp_path, f"ada {ADA}"))
    with pytest.raises(AuthenticationError):
        await authenticator.identify(None)


def test_tokens_are_kept_and_compared_as_digests_only(tmp_path: Path) -> None:
    tokens = StaticTokens(read_tokens(secret_file(tmp_path, f"ada {ADA}")))
    assert ADA.encode() not in pickle.dumps(tokens)


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        (f"ada {ADA}", 0o644, "chmod 600"),
        (f"ada {ADA}", 0o640, "chmod 600"),
        (f"ada {ADA} god", 0o600, "line 1"),
        (f"ada {ADA} user a,b c", 0o600, "line 1"),
        ("ada", 0o600, "line 1"),
        ("ada short", 0o600, "too short"),
        ("ada tökens-0123456789abcdef", 0o600, "letters and digits"),
        (f"ada {ADA}\nbob {ADA}", 0o600, "twice"),
        ("# nothing", 0o600, "no token"),
    ],
)
def test_a_bad_token_file_is_refused(tmp_path: Path, text: str, mode: int, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        authenticator_for("0.0.0.0", secret_file(tmp_path, text, mode))
    assert ADA not in str(refused.value), "the sentence goes to logs"


def test_a_missing_token_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        authenticator_for("0.0.0.0", tmp_path / "nothing")


def test_an_agents_token_comes_from_a_private_file_or_the_environment(tmp_path: Path) -> None:
    environment = {"BFKERNEL_TOKEN": ROOT, "BFKERNEL_JOIN_TOKEN": JOIN}
    assert join_token(secret_file(tmp_path, f"{ADA}\n"), environment) == ADA
    assert join_token(None, environment) == JOIN
    assert join_token(None, {"BFKERNEL_TOKEN": ROOT}) == ROOT
    assert join_token(None, {}) is None
    with pytest.raises(ConfigurationError, match="chmod 600"):
        join_token(secret_file(tmp_path, ADA, 0o644), environment)
    with pytest.raises(ConfigurationError, match="one token"):
        join_token(secret_file(tmp_path, f"gpu1 {ADA}"), environment)


@pytest.mark.parametrize(
    ("host", "origin", "foreign"),
    [
        ("127.0.0.1:8765", None, False),
        ("localhost", None, False),
        ("[::1]:8765", None, False),
        ("127.0.0.1:8765", "http://127.0.0.1:8765", False),
        ("127.0.0.1:8765", "http://127.0.0.1:9999", True),
        ("127.0.0.1:8765", "null", True),
        ("127.0.0.1.evil.example", None, True),
        ("evil.example", "http://evil.example", True),
        ("127.0.0.1@evil.example", None, True),
        ("[", None, True),
        ("", None, True),
    ],
)
def test_web_pages_of_others_are_told_apart(host: str, origin: str | None, foreign: bool) -> None:
    assert is_foreign(host, origin) is foreign


@pytest.mark.parametrize(
    ("senders", "foreign"), [("127.0.0.1", False), ("127.0.0.1, ::1", False), ("192.0.2.7, 127.0.0.1", True)]
)
def test_who_is_forwarded_from_another_machine_is_told_apart(senders: str, foreign: bool) -> None:
    assert is_foreign("127.0.0.1:8765", None, senders) is foreign


def test_a_hub_is_named_by_options_or_by_what_a_hub_gives_to_its_services(tmp_path: Path) -> None:
    def options(environment: dict[str, str], **given: object) -> HubOptions | None:
        defaults = {"jupyterhub": False, "api_url": None, "api_token_file": None, "service_name": None}
        return hub_options(environment, **{**defaults, **given})  # type: ignore[arg-type]

    url, service = "http://127.0.0.1:8081/hub/api", {"JUPYTERHUB_API_URL": "http://h/hub/api"}
    service |= {"JUPYTERHUB_API_TOKEN": "of-the-service", "JUPYTERHUB_SERVICE_NAME": "gpus"}
    assert options(service) is None, "a pool does not become a service unasked"
    assert options(service, jupyterhub=True) == HubOptions("http://h/hub/api", "gpus", "of-the-service")
    assert options(service, api_url=url) == HubOptions(url, "bfkernel", None)
    token = secret_file(tmp_path, "from-a-file")
    named = options({}, api_url=url, api_token_file=token, service_name="pool")
    assert named == HubOptions(url, "pool", "from-a-file")
    assert "from-a-file" not in repr(named)
    for environment, given, complaint in [
        ({}, {"jupyterhub": True}, "JUPYTERHUB_API_URL"),
        ({}, {"api_token_file": token}, "--hub-api-url"),
        ({}, {"service_name": "x"}, "--hub-api-url"),
        ({}, {"api_url": "hub.example"}, "is no Hub's API"),
    ]:
        with pytest.raises(ConfigurationError, match=complaint):
            options(environment, **given)
