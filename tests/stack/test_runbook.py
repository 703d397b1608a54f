"""The pages for an emergency, by their own commands: each marked block is run, and prints what the page says."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mx_token_rotator_operator.policy import reader_policy
from tests.stack.runbook import DOCS, Block, Shell, blocks
from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.faults import down
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack, build
from tools.local.translated import ACCOUNT_ID

Break = Callable[[Stack, MovieXchangeStandIn], None]

NAME = "mx-token-rotator-runbook"
ROLE = "a-cinema-site"
VALUES = {"STACK": NAME, "ACCOUNT": "runbook/staging", "NAME": WEBSITE, "REGION": REGION}
ANSWERS = """\
version = 0.1
[default.deploy.parameters]
stack_name = "another-stack"
capabilities = "CAPABILITY_IAM"
resolve_s3 = true
parameter_overrides = "CheckEvery=\\"rate(3 minutes)\\""
"""
"""What `sam deploy --guided` saves for the first stack that is deployed from a folder."""
PAGES = ["break-glass.md", "leaked.md", "operating.md"]


@pytest.fixture(scope="module")
def stack(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Deploy the stack once; no scheduled run comes in between."""
    account_at_mx.hands_out_refresh_tokens = True
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    options = {"SecretPrefix": "runbook", "CheckEvery": "rate(19 minutes)", "KeepRefreshToken": "true"}
    stack = Stack(aws, hosts | options, NAME, (WEBSITE, UPDATER, "Web:Foo Tickets (Web)"))
    stack.apply()
    stack.replace_credentials(account_at_mx.credentials())
    stack.wait_until_idle()
    return stack


@pytest.fixture(scope="module")
def shell(
    stack: Stack, account_at_mx: MovieXchangeStandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """Open a shell in a checkout, beside the files that the pages have their readers write."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("template.yaml", "samconfig.yaml"):
        shutil.copy(PROJECT / name, folder)
    (folder / "dist").mkdir()
    shutil.copy(build(), folder / "dist")
    (folder / "samconfig.toml").write_text(ANSWERS)
    write_credentials(folder, account_at_mx)
    query = (DOCS / "operating.md").read_text().split("`errors.query`\n\n```\n")[1].split("```")[0]
    (folder / "errors.query").write_text(query)
    url = account_at_mx.url
    values = VALUES | {"CLIENT_ID": WEBSITE, "AUTH": url, "TRY": url + CHAINS_PATH}
    kms = stack.client("kms")
    keys = {name: kms.create_key()["KeyMetadata"]["Arn"] for name in ("OLD_KEY_ARN", "KEY_ARN")}
    with Shell(stack, folder, values, {"APP_ROLE": ROLE} | keys) as opened:
        yield opened


def write_credentials(folder: Path, account: MovieXchangeStandIn) -> None:
    """Write the file that the pages name."""
    (folder / "credentials.json").write_text(json.dumps(account.credentials()))


def missing(shell: Shell, *chosen: Block) -> list[str]:
    """Run blocks, and return what they should have printed and did not."""
    return [
        words for block in chosen for printed in [shell.run(block)] for words in block.prints if words not in printed
    ]


def once(page: str) -> list[Block]:
    """Return the blocks of a page, and of those that say and promise the same the first."""
    return list({(block.text, block.marks): block for block in reversed(blocks(page))}.values())[::-1]


def section(name: str) -> list[Block]:
    """Return the marked blocks of a section of the runbook."""
    return [block for block in blocks("operating.md") if block.section == name]


def identified(block: Block) -> str:
    """Name a block by its section and its first words."""
    return f"{block.section}: {block.text.splitlines()[0][:40]}"


# Put a token in place by hand


@pytest.fixture(scope="module")
def by_hand(stack: Stack, shell: Shell) -> list[str]:
    """Break the function, empty the token secret, and put a token there; return what was not printed."""
    functions = stack.client("lambda")
    functions.update_function_configuration(FunctionName=NAME, Handler="no_such_module.handler")
    stack.client("secretsmanager").put_secret_value(SecretId=stack.token_secret(WEBSITE), SecretString="{}")
    shell.trace.write_text("")
    return missing(shell, *(block for block in blocks("break-glass.md") if "takes over" not in block.marks))


def test_a_token_is_put_in_place_by_the_pages_commands(stack: Stack, by_hand: list[str]) -> None:
    """They print what the page says, and the API accepts the token."""
    assert (by_hand, stack.call_api(WEBSITE)) == ([], 200)


@pytest.mark.usefixtures("by_hand")
def test_the_function_could_not_have_done_it(stack: Stack) -> None:
    """It does not start."""
    assert "FunctionError" in stack.client("lambda").invoke(FunctionName=NAME, Payload="{}")


@pytest.mark.usefixtures("by_hand")
def test_no_secret_is_an_argument_of_a_command(stack: Stack, shell: Shell, account_at_mx: MovieXchangeStandIn) -> None:
    """Neither in the shell's history nor in the list of processes."""
    secrets = [*account_at_mx.credentials().values(), stack.published(WEBSITE)["access_token"]]
    trace = shell.trace.read_text()

    assert ("username@username" in trace, [each for each in secrets if each in trace]) == (True, [])


@pytest.mark.usefixtures("by_hand")
def test_no_file_with_a_secret_is_left(shell: Shell) -> None:
    """The page's last step but one deletes the folder."""
    assert not (shell.folder / "break-glass").exists()


@pytest.fixture(scope="module")
def taken_over(shell: Shell, by_hand: list[str]) -> list[str]:
    """Put the function back by the runbook's commands, and let it take over; return what was not printed."""
    mending = section("Put the code and the handler back")
    taking_over = [block for block in blocks("break-glass.md") if "takes over" in block.marks]
    return by_hand + missing(shell, *mending, *taking_over)


def test_the_function_takes_the_token_for_its_own(stack: Stack, taken_over: list[str]) -> None:
    """It finds nothing to do, and replaces the token when it is asked to."""
    (outcome,) = stack.invoke({"client_id": WEBSITE, "force": True})

    assert (taken_over, outcome["outcome"], outcome["reason"]) == ([], "refreshed", "forced")


# A secret leaked


@pytest.mark.usefixtures("taken_over")
@pytest.mark.parametrize("block", blocks("leaked.md"), ids=identified)
def test_each_command_for_a_leaked_secret_does_what_the_page_says(
    stack: Stack, shell: Shell, account_at_mx: MovieXchangeStandIn, block: Block
) -> None:
    """In the page's order, after movieXchange has changed what the page says."""
    for mark in {"new client secret", "new password"} & {*block.marks}:
        setattr(account_at_mx, mark.removeprefix("new ").replace(" ", "_"), f"another-{mark}")
        write_credentials(shell.folder, account_at_mx)

    assert missing(shell, block) == []
    stack.wait_until_idle()


def test_a_forced_refresh_does_not_end_a_leaked_token(stack: Stack, account_at_mx: MovieXchangeStandIn) -> None:
    """At a movieXchange that keeps older tokens."""
    leaked = stack.published(WEBSITE)["access_token"]
    stack.invoke({"client_id": WEBSITE, "force": True})

    assert (stack.published(WEBSITE)["access_token"] != leaked, leaked in account_at_mx.access_tokens) == (True, True)


# Operating


@pytest.fixture(scope="module")
def with_application(stack: Stack) -> None:
    """Make the role of an application, with a policy for its token; undo what the page before has deleted."""
    stack.client("secretsmanager").restore_secret(SecretId=f"{stack.account}/refresh-tokens/{WEBSITE}")
    stack.invoke({})
    iam, trust = stack.client("iam"), {"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = reader_policy(stack.account, [WEBSITE], REGION, ACCOUNT_ID, None)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Statement": [{"Effect": "Allow"} | trust]}))
    iam.put_role_policy(RoleName=ROLE, PolicyName="movieXchange-token", PolicyDocument=json.dumps(policy))


def empty(stack: Stack, _: MovieXchangeStandIn) -> None:
    """Store credentials without a member."""
    stack.fill_credentials({})


def mistyped(stack: Stack, account: MovieXchangeStandIn) -> None:
    """Store a wrong password."""
    stack.fill_credentials(account.credentials(password="mistyped"))


def paused(stack: Stack, _: MovieXchangeStandIn) -> None:
    """Disable what starts the function."""
    stack.client("lambda").update_event_source_mapping(UUID=stack.resource("QueueMapping"), Enabled=False)


def down_at_mx(stack: Stack, account: MovieXchangeStandIn) -> None:
    """Have movieXchange fail while a token is missing."""
    account.token_fault = down()
    stack.client("secretsmanager").put_secret_value(SecretId=stack.token_secret(WEBSITE), SecretString="{}")


@pytest.fixture
def mended(stack: Stack, account_at_mx: MovieXchangeStandIn) -> Iterator[None]:
    """Mend the stack after a test."""
    yield
    account_at_mx.token_fault = None
    stack.client("lambda").update_event_source_mapping(UUID=stack.resource("QueueMapping"), Enabled=True)
    stack.replace_credentials(account_at_mx.credentials())
    stack.wait_until_idle()


@pytest.mark.usefixtures("with_application", "taken_over", "mended")
@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (empty, ("No token appears", "CredentialsInvalid")),
        (mistyped, ("Rejected although the password is right", "rejected the user name or password")),
        (paused, ("ALARM: TokenLifeLow", "Disabled")),
        (down_at_mx, ("No token appears", "MovieXchangeUnavailable")),
    ],
)
def test_the_commands_of_a_symptom_show_what_its_section_explains(
    stack: Stack, shell: Shell, account_at_mx: MovieXchangeStandIn, broken: Break, seen: tuple[str, str]
) -> None:
    """On a stack that is broken in that way."""
    named, words = seen
    chosen = [*section("Set these first"), *section(named)]
    broken(stack, account_at_mx)
    stack.wait_until_idle()
    shown = any(words in shell.run(block) for block in chosen if block.section == named or "ask()" in block.text)

    assert (shown, f"`{words}`" in explained(named)) == (True, True)


def explained(section: str) -> str:
    """Return the text of a section of the runbook."""
    return (DOCS / "operating.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]


@pytest.mark.usefixtures("taken_over")
def test_a_schedule_is_enabled_by_the_pages_commands_as_it_was(stack: Stack, shell: Shell) -> None:
    """They change nothing else of it."""
    scheduler, name = stack.client("scheduler"), stack.resource("Schedule")
    before = scheduler.get_schedule(Name=name)
    kept = {
        each: before[each] for each in ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    }
    for block in section("Set these first"):
        shell.run(block)
    scheduler.update_schedule(**kept, State="DISABLED")
    for block in [*section("ALARM: TokenLifeLow"), *section("Enable the schedule")]:
        shell.run(block)

    assert scheduler.get_schedule(Name=name).items() >= (kept | {"State": "ENABLED"}).items()


@pytest.mark.usefixtures("with_application", "taken_over")
def test_the_function_answers_a_request_with_json_alone(shell: Shell) -> None:
    """As the page's own function for it prints the answer, for tools to read."""
    for block in section("Set these first")[:2]:
        shell.run(block)
    answer = json.loads(shell.run(Block("", (), "ask '{\"dry_run\": true}'")))

    assert {each["client_id"] for each in answer["outcomes"]} == {WEBSITE, UPDATER, "Web"}


@pytest.mark.usefixtures("with_application", "taken_over", "mended")
def test_an_error_that_repeats_is_printed_once(stack: Stack, shell: Shell, account_at_mx: MovieXchangeStandIn) -> None:
    """The alarm's command prints few lines, with who must act."""
    mistyped(stack, account_at_mx)
    stack.wait_until_idle()
    for _ in range(3):
        stack.invoke({})
    (look,) = section("ALARM: ActionRequired")
    printed = [paragraph.splitlines()[1:3] for paragraph in shell.run(look).strip().split("\n\n")]
    repeated = [each for each in printed if printed.count(each) > 1]

    assert (len(printed) <= 4, repeated, "rejected" in printed[-1][1]) == (True, [], True)


@pytest.mark.usefixtures("with_application", "taken_over")
def test_a_deleted_token_secret_is_restored_by_the_pages_commands(stack: Stack, shell: Shell) -> None:
    """They also print who deleted it, and the function goes on with the token in it."""
    for block in section("Set these first"):
        shell.run(block)
    stack.client("secretsmanager").delete_secret(SecretId=stack.token_secret(WEBSITE))
    restore, who, tag = section("Restore a token secret")
    printed = missing(shell, restore), "\tDeleteSecret\t" in shell.run(who), shell.run(tag).strip()
    (outcome,) = stack.invoke({"client_id": WEBSITE})

    assert (printed, outcome["outcome"], outcome["reason"]) == (([], True, ""), "kept", "fresh")


@pytest.mark.usefixtures("with_application", "taken_over")
def test_code_that_nobody_changed_has_the_digest_of_the_archive(shell: Shell) -> None:
    """The page's command prints both."""
    compare, _ = section("Put the code and the handler back")
    archive, code = shell.run(compare).split()

    assert archive == code


@pytest.mark.usefixtures("with_application", "taken_over")
@pytest.mark.parametrize(
    "block", [block for block in once("operating.md") if not {"removed", "deleted"} & {*block.marks}], ids=identified
)
def test_each_command_of_the_runbook_does_what_it_says(stack: Stack, shell: Shell, block: Block) -> None:
    """On a stack that works, in the page's order."""
    assert missing(shell, block) == []
    stack.wait_until_idle()


def test_no_command_sends_the_saved_answers_of_another_stack(stack: Stack) -> None:
    """They are in the folder."""
    (described,) = stack.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]

    assert {"ParameterKey": "CheckEvery", "ParameterValue": "rate(19 minutes)"} in described["Parameters"]


def test_nothing_is_left_once_the_stack_and_its_secrets_are_removed(stack: Stack, shell: Shell) -> None:
    """The page's last command prints nothing then."""
    stack.client("cloudformation").delete_stack(StackName=NAME)
    remove, look = (block for block in blocks("operating.md") if "removed" in block.marks)

    assert (missing(shell, remove), shell.run(look).strip()) == ([], "")


def test_no_marked_block_is_left_out() -> None:
    """Pages with marks are the ones that are run here."""
    marked = {page.name for page in DOCS.rglob("*.md") if "<!-- run" in page.read_text()}
    marks = sum((DOCS / page).read_text().count("<!-- run") for page in PAGES)

    assert (marked, sum(len(blocks(page)) for page in PAGES)) == ({*PAGES}, marks)
