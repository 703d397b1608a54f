"""The commands of a page that are marked as runnable, and a shell in which a person would paste them.

A comment before a block marks it: `<!-- run -->`, with what a test must know after a colon, such as `setup`, and with
`prints "…"` if the words must be in what the block prints.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.local.aws import PROJECT, SAM
from tools.local.stack import Stack

DOCS = PROJECT / "docs"
MARKED = re.compile(r"^ *<!-- run(?:: ([^\n]*))? -->\n *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# The AWS CLI on PyPI is version 1, which takes texts without the option that version 2 needs for them.
COMMANDS = f"""\
set -E -o pipefail
trap 'FAILED=1' ERR
aws() {{
  local words=() word
  for word in "$@"; do [[ $word == --cli-binary-format || $word == raw-in-base64-out ]] || words+=("$word"); done
  command aws "${{words[@]}}"
}}
sam() {{ {SAM} "$@"; }}
mx-token-rotator() {{ python -m mx_token_rotator_operator "$@"; }}
"""
END = "the end of the block:"


@dataclass(frozen=True)
class Block:
    """A block of a page's commands that is marked as runnable."""

    section: str
    marks: tuple[str, ...]
    text: str

    @property
    def prints(self) -> list[str]:
        """What it must print."""
        return [words for mark in self.marks for words in re.findall(r'^prints "(.*)"$', mark)]


def blocks(page: str) -> list[Block]:
    """Return the marked blocks of a page of the docs, in its order."""
    sections = re.split(r"^##+ (.*)\n", (DOCS / page).read_text(), flags=re.MULTILINE)
    named = zip(["", *sections[1::2]], sections[::2], strict=True)
    return [
        Block(section, tuple((marks or "").split("; ")), text)
        for section, content in named
        for marks, text in MARKED.findall(content)
    ]


class CommandsFailed(Exception):  # noqa: N818  the name says what happened
    """A command of a block failed; the message has what the block printed."""


class Shell:
    """A shell that uses a stack's account, and keeps what one block leaves behind for the next."""

    def __init__(self, stack: Stack, folder: Path, values: dict[str, str], capitals: dict[str, str]) -> None:
        """Work in a folder, with values for what a page's first block exports, and for capitals in the others."""
        self.folder, self._values, self._capitals = folder, values, capitals
        self._environment = stack.aws.environment | {"PYTHONPATH": str(PROJECT / "src" / "operator")}
        self.trace = folder / "trace"
        """Every command with its arguments, as a list of processes would have shown it, and the errors between them."""

    def __enter__(self) -> Self:
        """Start the shell."""
        self._bash = subprocess.Popen(
            ["bash"],  # noqa: S607  whichever a person has
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._paste(f"{COMMANDS}exec 2>> {self.trace}\nset -x\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the shell."""
        self._bash.communicate()

    def run(self, block: Block) -> str:
        """Paste a block with the values in place, and return what it prints. Raises CommandsFailed."""
        text = self._replaced(block)
        printed, failed = self._paste(text)
        if failed:
            raise CommandsFailed(f"{text}\nprinted:\n{printed}\nlast:\n{self.trace.read_text()[-2000:]}")
        return printed

    def _replaced(self, block: Block) -> str:
        """Put the values where the page has its readers put theirs."""
        if "setup" in block.marks:
            return re.sub(r"(?<=export )(\w+)=.*", lambda found: f"{found[1]}='{self._values[found[1]]}'", block.text)
        return re.sub(rf"\b({'|'.join(self._capitals)})\b", lambda found: self._capitals[found[0]], block.text)

    def _paste(self, text: str) -> tuple[str, bool]:
        """Run some commands; return what they print, and whether one failed."""
        if self._bash.stdin is None or self._bash.stdout is None:
            raise CommandsFailed("the shell has no pipes")
        self._bash.stdin.write(f"FAILED=0\n{{\n{text}\n}} < /dev/null\necho\necho {END} $FAILED\n")
        self._bash.stdin.flush()
        lines = list[str]()
        for line in self._bash.stdout:
            if line.startswith(END):
                return "".join(lines), line.split()[-1] != "0"
            lines.append(line)
        raise CommandsFailed(f"{text}\nended the shell after:\n{''.join(lines)}")
