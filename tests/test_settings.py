"""The environment: what is taken, and how a wrong variable is told."""

import pytest

from mx_token_rotator.errors import SettingsInvalid
from mx_token_rotator.settings import Settings

RIGHT = {
    "ACCOUNT": "moviexchange/mobile/production",
    "CLIENT_IDS": "FooTickets_Website,Foo.Tickets-2",
    "REFRESH_AT_PERCENT": "50",
    "MIN_TOKEN_AGE_SECONDS": "900",
    "VERIFY_PATH": "/mxs/reference-data/v1/cinema-chains",
    "KEEP_REFRESH_TOKEN": "false",
    "NATIVE_ROTATION": "false",
    "WATCH_TOKENS": "true",
    "AUTH_URL": "https://auth.moviexchange.com",
    "API_URL": "https://api.moviexchange.com/",
}


def test_right_settings_are_taken() -> None:
    """Each variable becomes a member; a slash at a host's end is dropped."""
    assert Settings.parse(RIGHT) == Settings(
        account="moviexchange/mobile/production",
        client_ids=frozenset({"FooTickets_Website", "Foo.Tickets-2"}),
        refresh_at_percent=50,
        min_token_age_seconds=900,
        verify_path="/mxs/reference-data/v1/cinema-chains",
        keep_refresh_token=False,
        native_rotation=False,
        watch_tokens=True,
        auth_url="https://auth.moviexchange.com",
        api_url="https://api.moviexchange.com",
    )


@pytest.mark.parametrize("name", RIGHT)
def test_a_missing_variable_is_named(name: str) -> None:
    """Every variable is needed; the stack sets them all."""
    with pytest.raises(SettingsInvalid, match=f"environment variable {name} is missing: it should be "):
        Settings.parse({other: value for other, value in RIGHT.items() if other != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCOUNT", ""),
        ("ACCOUNT", "canary secret"),
        ("CLIENT_IDS", ""),
        ("CLIENT_IDS", "canary,"),
        ("CLIENT_IDS", "canary, canary"),
        ("REFRESH_AT_PERCENT", "canary"),
        ("REFRESH_AT_PERCENT", ""),
        ("REFRESH_AT_PERCENT", "9"),
        ("REFRESH_AT_PERCENT", "91"),
        ("REFRESH_AT_PERCENT", "-50"),
        ("REFRESH_AT_PERCENT", "50.5"),
        ("REFRESH_AT_PERCENT", "\N{ARABIC-INDIC DIGIT FIVE}0"),
        ("MIN_TOKEN_AGE_SECONDS", "86401"),
        ("MIN_TOKEN_AGE_SECONDS", "9" * 5000),
        ("VERIFY_PATH", "canary"),
        ("VERIFY_PATH", "/canary canary"),
        ("KEEP_REFRESH_TOKEN", "yes"),
        ("NATIVE_ROTATION", "yes"),
        ("WATCH_TOKENS", "yes"),
        ("AUTH_URL", ""),
        ("AUTH_URL", "canary"),
        ("AUTH_URL", "ftp://canary"),
        ("AUTH_URL", "https://"),
        ("AUTH_URL", "https://canary/path"),
        ("AUTH_URL", "https://canary@host"),
        ("AUTH_URL", "https://host:canary"),
        ("AUTH_URL", "https://host:99999"),
        ("AUTH_URL", "https://[canary"),
        ("AUTH_URL", "https://:443"),
        ("AUTH_URL", "https://."),
        ("AUTH_URL", "https://canary..org"),
        ("AUTH_URL", "https://-canary.org"),
        ("AUTH_URL", f"https://canary{'y' * 64}.org"),
        ("API_URL", "http://canary"),
        ("API_URL", "http://127.0.0.1.canary"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(name: str, value: str) -> None:
    """The error says what the variable should be, never what it is."""
    with pytest.raises(SettingsInvalid) as caught:
        Settings.parse(RIGHT | {name: value})

    assert (
        f"environment variable {name} is wrong: it should be " in str(caught.value),
        "canary" in str(caught.value),
    ) == (
        True,
        False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REFRESH_AT_PERCENT", "10"),
        ("REFRESH_AT_PERCENT", "90"),
        ("MIN_TOKEN_AGE_SECONDS", "0"),
        ("MIN_TOKEN_AGE_SECONDS", "86400"),
        ("VERIFY_PATH", ""),
        ("AUTH_URL", "http://127.0.0.1:8080"),
        ("AUTH_URL", "http://localhost:8080"),
        ("AUTH_URL", "http://[::1]:8080"),
        ("AUTH_URL", "https://proxy.example.org:8443"),
    ],
)
def test_what_lies_at_the_edge_is_taken(name: str, value: str) -> None:
    """Boundaries, an empty path, and plain HTTP to loopback."""
    assert str(getattr(Settings.parse(RIGHT | {name: value}), name.lower())) == value


@pytest.mark.parametrize("name", ["KEEP_REFRESH_TOKEN", "NATIVE_ROTATION", "WATCH_TOKENS"])
@pytest.mark.parametrize("value", ["true", "false"])
def test_a_switch_is_on_where_that_is_asked_for(name: str, value: str) -> None:
    """CloudFormation gives a boolean as one of two words."""
    assert getattr(Settings.parse(RIGHT | {name: value}), name.lower()) is (value == "true")
