"""The recipes of docs/reading-tokens.md: how a test makes them its own, and runs them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.local.aws import PROJECT
from tools.local.faults import Fault, send, status
from tools.local.mx import MovieXchangeStandIn

PAGE = PROJECT / "docs" / "reading-tokens.md"
FOLDER = PROJECT / "examples" / "reading"
NODE_MODULES = PROJECT / ".node-reading" / "node_modules"
PYTHON, NODE = sys.executable, str(Path(sys.executable).parent / "node")
API_HOST, SECRETS = "staging-api.moviexchange.com", "moviexchange/staging/tokens/"


def copy(folder: Path, names: dict[str, str]) -> None:
    """Copy all recipes into a folder as a reader would, with the reader's own names in them."""
    for file in FOLDER.iterdir():
        text = file.read_text()
        for name, own in names.items():
            text = text.replace(name, own)
        (folder / file.name).write_text(text)
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "package.json").write_text('{"type": "module"}')


def command(file: str) -> list[str]:
    """Return the command that runs a recipe; of a Lambda function, it calls the handler and prints the result."""
    is_function = re.search(r"\b(def|function|const) handler\b", (FOLDER / file).read_text())
    if file.endswith(".sh"):
        return ["sh", file]
    if file.endswith(".py"):
        call = f"import json, {Path(file).stem} as recipe; print(json.dumps(recipe.handler({{}}, None)))"
        return [PYTHON, "-c", call] if is_function else [PYTHON, file]
    return evaluate(file, "await handler({}, {})") if is_function else [NODE, file]


def evaluate(file: str, expression: str) -> list[str]:
    """Return the command that prints what an expression with a recipe's handler comes to, as JSON, and ends."""
    code = f'import {{ handler }} from "./{file}"; console.log(JSON.stringify({expression})); process.exit()'
    return [NODE, "--input-type=module", "--eval", code]


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> Any:  # noqa: ANN401  JSON
    """Run a command, and return the JSON that it printed."""
    done = subprocess.run(  # noqa: S603  the page's own commands
        arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def refuse_once(account: MovieXchangeStandIn) -> Fault:
    """Answer one call of the API with 401, and the others as ever."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        account.api_fault = None
        status(HTTPStatus.UNAUTHORIZED)(handler)

    return fault


@dataclass(frozen=True)
class Caller:
    """An application that runs, and calls the API each time that it is asked to."""

    process: subprocess.Popen[str]

    def call(self) -> int:
        """Return the status of one call."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def calling(arguments: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Caller]:
    """Start an application that makes a call for each line that it gets, and prints the status."""
    with subprocess.Popen(  # noqa: S603  our own command
        arguments, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Caller(process)
        process.communicate()


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], object]) -> Iterator[int]:
    """Answer each GET with a JSON document, or with 403 if it is None, on a port that is the context's value."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            document = answer(self)
            body = json.dumps(document, default=str).encode()
            send(self, HTTPStatus.FORBIDDEN if document is None else HTTPStatus.OK, body)

        def log_message(self, *_: object) -> None:
            """Print nothing about a request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def agent(secrets: Any, token: str, queries: list[dict[str, list[str]]]) -> AbstractContextManager[int]:  # noqa: ANN401  boto3's client
    """Serve secrets as the Secrets Manager Agent and the Lambda extension do.

    Both refuse a request without their token in X-Aws-Parameters-Secrets-Token, and answer like GetSecretValue.
    """

    def answer(handler: BaseHTTPRequestHandler) -> object:
        parts = urlsplit(handler.path)
        if parts.path != "/secretsmanager/get" or handler.headers["X-Aws-Parameters-Secrets-Token"] != token:
            return None
        queries.append(parse_qs(parts.query))
        return secrets.get_secret_value(SecretId=queries[-1]["secretId"][0])

    return answering(answer)


def block(section: str, language: str) -> str:
    """Return the page's only block of code in a language under a heading."""
    (text,) = re.findall(rf"^##+ {re.escape(section)}\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(code)
