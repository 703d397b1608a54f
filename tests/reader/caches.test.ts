// The short recipes of examples/reading: for how long each keeps a token. Time, AWS and the API are the tests'.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

const MINUTE = 60_000;
const EVENT = { Records: [{ cf: { request: { headers: {} } } }] }; // CloudFront's; the others ignore theirs

let reads: number;

beforeEach(() => {
  reads = 0;
  process.env.AWS_REGION = "eu-west-1";
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
  mock.method(globalThis, "fetch", async () => new Response("[]"));
  mock.method(SecretsManagerClient.prototype, "send", async () => {
    reads += 1;
    return { SecretString: JSON.stringify({ access_token: "a-token", client_secret: "a-client-secret" }) };
  });
});

for (const file of ["lambda_edge.mjs", "with_middy.ts", "with_powertools.ts", "with_sdk.mjs"])
  test(`${file} keeps a token for five minutes`, async () => {
    const { handler } = await import(`./${file}`);
    const counts: number[] = [];
    for (const wait of [0, 5 * MINUTE - 1, 2]) {
      mock.timers.tick(wait);
      await handler(EVENT, {});
      counts.push(reads);
    }
    assert.deepEqual(counts, [1, 1, 2]);
  });
