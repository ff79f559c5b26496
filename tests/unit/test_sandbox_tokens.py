"""Tokens belong to a client and end."""

from crawl_sandbox.tokens import IssuedToken, Tokens

FORM = "grant_type=client_credentials&client_id=me&client_secret=s"


def grant(tokens: Tokens, now_us: int = 0) -> IssuedToken:
    token = tokens.grant("", FORM, now_us=now_us)
    assert isinstance(token, IssuedToken)
    return token


def test_a_token_lives_as_long_as_was_said() -> None:
    assert grant(Tokens(ttl_s=1.5), now_us=10).expires_us == 1_500_010


def test_a_token_is_laid_to_its_clients_account_even_when_it_has_expired() -> None:
    tokens = Tokens(ttl_s=60)
    token = grant(tokens)
    tokens.expire_all(now_us=5)
    assert tokens.find(token.text) == IssuedToken(token.text, "me", 5)


def test_each_token_is_another() -> None:
    tokens = Tokens(ttl_s=60)
    assert grant(tokens).text != grant(tokens).text
    assert tokens.issued == 2


def test_a_token_nobody_issued_is_unknown() -> None:
    assert Tokens(ttl_s=60).find("made-up") is None
