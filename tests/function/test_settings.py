"""The environment: what is accepted, how a wrong variable is told, and which hosts and paths follow from it."""

from datetime import timedelta

import pytest

from mx_token_rotator.errors import SettingsInvalid
from mx_token_rotator.settings import Client, Settings
from tests.function.fakes import VARIABLES

CHAINS = "/mxs/reference-data/v1/cinema-chains"
SITES = "/ocapi/v1/sites"


def problem(**variables: str) -> str:
    """Return what is wrong with the stack's defaults after some variables are changed."""
    with pytest.raises(SettingsInvalid) as caught:
        Settings.parse(VARIABLES | variables)
    return caught.value.problem


def test_the_stacks_defaults_are_accepted() -> None:
    """Each `none` is an empty text, and the hosts follow from the environment."""
    assert Settings.parse(VARIABLES) == Settings(
        account="moviexchange/staging",
        clients=(Client("FooTickets_Website", "FooTickets_Website"),),
        check_every=timedelta(minutes=15),
        refresh_at_percent=50,
        min_token_age=timedelta(minutes=15),
        verify_path="auto",
        keep_refresh_token=False,
        kms_key="",
        secret_tags={},
        auth_url="https://staging-auth.moviexchange.com",
        api_url="",
        proxy="",
    )


def test_every_variable_can_be_set() -> None:
    """Each reaches its setting; a slash at a URL's end is dropped."""
    variables = {
        "ACCOUNT": "vista/brand-uk/sandbox",
        "CLIENT_IDS": "Web:Foo: Tickets (Web),_Website",
        "CHECK_EVERY": "rate(1 minute)",
        "REFRESH_AT_PERCENT": "70",
        "MIN_TOKEN_AGE_SECONDS": "0",
        "VERIFY_PATH": "none",
        "KEEP_REFRESH_TOKEN": "true",
        "KMS_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/1",
        "SECRET_TAGS": "Team=Web,Filter=a=b,Empty=",
        "AUTH_URL": "http://127.0.0.1:8080/",
        "API_URL": "https://vwc.example.com/WSVistaWebClient/",
        "MOVIEXCHANGE_PROXY": "http://proxy.example.com:3128",
    }

    assert Settings.parse(variables) == Settings(
        account="vista/brand-uk/sandbox",
        clients=(Client("Web", "Foo: Tickets (Web)"), Client("_Website", "_Website")),
        check_every=timedelta(minutes=1),
        refresh_at_percent=70,
        min_token_age=timedelta(),
        verify_path="",
        keep_refresh_token=True,
        kms_key="arn:aws:kms:eu-west-1:123456789012:key/1",
        secret_tags={"Team": "Web", "Filter": "a=b", "Empty": ""},
        auth_url="http://127.0.0.1:8080",
        api_url="https://vwc.example.com/WSVistaWebClient",
        proxy="http://proxy.example.com:3128",
    )


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("value", ["", "  "])
def test_a_missing_variable_is_named(name: str, value: str) -> None:
    """The stack sets every variable."""
    assert problem(**{name: value}).startswith(f"The environment variable {name} is missing; it should be like ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCOUNT", "moviexchange"),
        ("ACCOUNT", "moviexchange/prod"),
        ("ACCOUNT", "/staging"),
        ("CHECK_EVERY", "15"),
        ("CHECK_EVERY", "rate(1 hour)"),
        ("REFRESH_AT_PERCENT", "5"),
        ("REFRESH_AT_PERCENT", "100"),
        ("REFRESH_AT_PERCENT", "0.5"),
        ("MIN_TOKEN_AGE_SECONDS", "-1"),
        ("MIN_TOKEN_AGE_SECONDS", "9" * 5000),
        ("VERIFY_PATH", "mxs"),
        ("VERIFY_PATH", "/a b"),
        ("VERIFY_PATH", "https://elsewhere.example.com"),
        ("KEEP_REFRESH_TOKEN", "yes"),
        ("KMS_KEY_ARN", "alias/key"),
        ("SECRET_TAGS", "Team"),
        ("SECRET_TAGS", "Team=Web,"),
        ("SECRET_TAGS", "=Web"),
        ("MOVIEXCHANGE_PROXY", "proxy.example.com:3128"),
        ("MOVIEXCHANGE_PROXY", "http://user:password@proxy.example.com:3128"),
        *(
            (name, value)
            for name in ("AUTH_URL", "API_URL")
            for value in (
                "auth.example.com",
                "ftp://example.com",
                "https://",
                "https://user:password@example.com",
                "https://example.com?a=b",
                "https://example.com/a b",
                "http://example.com",
                "http://127.0.0.1.example.com",
                "http://localhost@example.com",
                "http://localhost:80:80",
            )
        ),
    ],
)
def test_a_wrong_variable_is_named_with_an_example(name: str, value: str) -> None:
    """The message says what the variable should be like."""
    assert problem(**{name: value}).startswith(f"The environment variable {name} is wrong; it should be like ")


@pytest.mark.parametrize(
    "url", ["https://example.com:8443/a/b", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080/api"]
)
def test_other_hosts_can_be_set(url: str) -> None:
    """Plain HTTP is for loopback alone, where a test's server has no certificate."""
    parsed = Settings.parse(VARIABLES | {"AUTH_URL": url, "API_URL": url})

    assert (parsed.auth_url, parsed.api_url) == (url, url)


@pytest.mark.parametrize(
    ("entries", "clients"),
    [
        ("_Website,_OfflineUpdater", [("_Website", "_Website"), ("_OfflineUpdater", "_OfflineUpdater")]),
        (" _Website , Web : Foo Tickets (Web) ,", [("_Website", "_Website"), ("Web", "Foo Tickets (Web)")]),
        ("a.b+c=d@e-f_", [("a.b+c=d@e-f_", "a.b+c=d@e-f_")]),
        ("A" * 50, [("A" * 50, "A" * 50)]),
        ("Web:" + "é" * 200, [("Web", "é" * 200)]),
        ("Web:https://foo", [("Web", "https://foo")]),
    ],
)
def test_client_ids_have_names(entries: str, clients: list[tuple[str, str]]) -> None:
    """A client ID that cannot stand in a secret's name is written behind one that can."""
    parsed = Settings.parse(VARIABLES | {"CLIENT_IDS": entries}).clients

    assert [(each.name, each.client_id) for each in parsed] == clients


WRONG_NAME = "write any other client ID as NAME:CLIENT ID"
TWICE = "ClientIds has the same name or client ID twice"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("Foo Tickets", WRONG_NAME),
        ("Foo/Tickets", WRONG_NAME),
        ("Föö", WRONG_NAME),
        ("A" * 51, WRONG_NAME),
        (":Foo", WRONG_NAME),
        ("Foo Tickets:Foo", WRONG_NAME),
        ("Web,Web", TWICE),
        ("Web,Web:Foo", TWICE),
        ("Web:Foo,Mobile:Foo", TWICE),
        ("Web:Mobile,Mobile", TWICE),
    ],
)
def test_a_wrong_client_id_is_told(entries: str, said: str) -> None:
    """Two entries with one name would share a secret; with one client ID, they would end each other's tokens."""
    assert problem(CLIENT_IDS=entries).endswith(said)


def test_a_wrong_entry_is_shown_in_ascii_and_cut_short() -> None:
    """Whoever deployed the stack finds it, and the log stays readable."""
    assert problem(CLIENT_IDS="Föö\t" + "x" * 5000).startswith(
        r"ClientIds has the entry 'F\xf6\xf6\t" + "x" * 68 + ", whose name is not 1 to 50 of "
    )


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("production", "https://auth.moviexchange.com"),
        ("staging", "https://staging-auth.moviexchange.com"),
        ("sandbox", "https://auth.sandbox.vista.co"),
    ],
)
def test_each_environment_has_its_token_service(environment: str, url: str) -> None:
    """The hosts are movieXchange's and Vista's."""
    assert Settings.parse(VARIABLES | {"ACCOUNT": f"a/{environment}"}).auth_url == url


@pytest.mark.parametrize(
    ("environment", "api_url", "path", "client_secret", "url"),
    [
        ("production", "none", "auto", "secret", f"https://api.moviexchange.com{CHAINS}"),
        ("staging", "none", "auto", "secret", f"https://staging-api.moviexchange.com{CHAINS}"),
        ("sandbox", "none", "auto", "secret", ""),
        ("production", "none", "auto", "", ""),
        ("sandbox", "none", "auto", "", ""),
        ("staging", "https://api.example.com", "auto", "secret", f"https://api.example.com{CHAINS}"),
        ("production", "https://vwc.example.com/Web", "auto", "", f"https://vwc.example.com/Web{SITES}"),
        ("sandbox", "https://api.example.com/", "auto", "", f"https://api.example.com{SITES}"),
        ("production", "none", "/mxs/tickets", "secret", "https://api.moviexchange.com/mxs/tickets"),
        ("production", "none", "/mxs/tickets", "", "https://api.moviexchange.com/mxs/tickets"),
        ("sandbox", "none", "/mxs/tickets", "secret", ""),
        ("sandbox", "https://api.example.com", "/a?b=c", "", "https://api.example.com/a?b=c"),
        ("production", "none", "none", "secret", ""),
        ("production", "https://api.example.com", "none", "", ""),
    ],
)
def test_a_token_is_tried_where_the_settings_say(
    environment: str, api_url: str, path: str, client_secret: str, url: str
) -> None:
    """`auto` goes by the client secret, and there is no verification where there is no host or no path."""
    variables = {"ACCOUNT": f"a/{environment}", "API_URL": api_url, "VERIFY_PATH": path}

    assert Settings.parse(VARIABLES | variables).verification_url(client_secret) == url
