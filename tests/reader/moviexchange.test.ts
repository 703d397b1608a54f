// examples/reading/moviexchange.ts: what it keeps, when it reads, and what it reports. Time and both servers are the tests'.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { EventBridgeClient, type PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { movieXchange } from "./moviexchange.ts";

const SECOND = 1000, MINUTE = 60_000, HOUR = 3_600_000;
const URL = "https://api.example.com/chains";

let now: number, reads: number, published: { version: string; expiresAt: number; clientSecret: string }, isAwsDown: boolean;
let sent: { url: string; headers: Headers; init: RequestInit }[], answers: Response[], reports: object[], isBusDown: boolean;

/** Lets time pass on both clocks. */
function pass(milliseconds: number): void {
  now += milliseconds;
  mock.timers.setTime(now);
}

/** Publishes a version of the token that expires in so many milliseconds. */
function publish(version: string, life = 12 * HOUR, clientSecret = "a-client-secret"): void {
  published = { version, expiresAt: now + life, clientSecret };
}

async function getSecretValue(): Promise<object> {
  reads += 1;
  const { version, expiresAt, clientSecret } = published;
  await new Promise(setImmediate);
  if (isAwsDown) throw new Error("Secrets Manager is down");
  const value = { access_token: `token-${version}`, client_secret: clientSecret, expires_at: new Date(expiresAt).toISOString() };
  const ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a/tokens/b-AbCdEf";
  return { ARN, Name: "a/tokens/b", VersionId: version, SecretString: version === "empty" ? undefined : JSON.stringify(value) };
}

const secrets = { send: getSecretValue } as unknown as SecretsManagerClient;
const client = (eventBus?: string): ReturnType<typeof movieXchange> => movieXchange("a/tokens/b", ["api.example.com"], { secrets, eventBus });
const answer = (status: number): Response => new Response(null, { status });

beforeEach(() => {
  [now, reads, isAwsDown, isBusDown, sent, answers, reports] = [1_700_000_000_000, 0, false, false, [], [], []];
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now });
  mock.method(performance, "now", () => now);
  mock.method(console, "warn", () => undefined);
  mock.method(globalThis, "fetch", async (url: string, init: RequestInit) => {
    sent.push({ url, headers: new Headers(init.headers), init });
    return answers.shift() ?? answer(200);
  });
  mock.method(EventBridgeClient.prototype, "send", async function (this: EventBridgeClient, { input }: PutEventsCommand) {
    reports.push({ region: await this.config.region(), ...input.Entries![0] });
    return { Entries: [isBusDown ? { ErrorCode: "ThrottlingException" } : { EventId: "1" }] };
  });
  publish("1");
});

test("a request has both headers", async () => {
  await client().fetch(URL, { headers: { accept: "application/json" } });
  assert.deepEqual(Object.fromEntries(sent[0].headers), { accept: "application/json", authorization: "Bearer token-1", "mx-api-client-secret": "a-client-secret" });
});

test("without a client secret, Authorization is sent alone", async () => {
  publish("1", HOUR, "");
  await client().fetch(URL);
  assert.deepEqual(Object.fromEntries(sent[0].headers), { authorization: "Bearer token-1" });
});

test("another host, another port or plain HTTP gets nothing", async () => {
  for (const url of ["https://example.com/", "https://api.example.com:8443/", "http://api.example.com/"]) await assert.rejects(client().fetch(url));
  assert.deepEqual(sent, []);
});

test("a redirect is returned, not followed", async () => {
  await client().fetch(URL);
  assert.equal(sent[0].init.redirect, "manual");
});

test("500 callers share a single read", async () => {
  const mx = client();
  await Promise.all(Array.from({ length: 500 }, () => mx.fetch(URL)));
  assert.deepEqual([reads, sent.length], [1, 500]);
});

test("a token is kept for five minutes", async () => {
  const mx = client();
  const counts: number[] = [];
  for (const wait of [0, 5 * MINUTE - 1, 1]) {
    pass(wait);
    await mx.token();
    counts.push(reads);
  }
  assert.deepEqual(counts, [1, 1, 2]);
});

test("a token with less life than asked for is read again, at most every ten seconds", async () => {
  const mx = client();
  publish("1", HOUR);
  const counts: number[] = [];
  for (const wait of [0, 0, 10 * SECOND - 1, 1]) {
    pass(wait);
    await mx.token(2 * HOUR);
    counts.push(reads);
  }
  assert.deepEqual(counts, [1, 2, 2, 3]);
});

test("a newer token with enough life is found", async () => {
  const mx = client();
  publish("1", HOUR);
  await mx.token();
  publish("2");
  assert.equal((await mx.token(2 * HOUR)).version, "2");
});

test("an expired token is never returned", async () => {
  const mx = client();
  publish("1", MINUTE);
  await mx.token();
  pass(MINUTE);
  await assert.rejects(mx.token(), /has expired/);
});

test("while Secrets Manager is down, the token is used until it expires", async () => {
  const mx = client();
  publish("1", HOUR);
  await mx.token();
  isAwsDown = true;
  pass(HOUR - 1);
  assert.equal((await mx.token()).version, "1");
});

test("without any token, the failure is passed on, and the secret is not read again for ten seconds", async () => {
  const mx = client();
  isAwsDown = true;
  for (let call = 0; call < 3; call += 1) await assert.rejects(mx.token(), /Secrets Manager is down/);
  assert.equal(reads, 1);
});

test("an empty secret is an error that names it", async () => {
  publish("empty");
  await assert.rejects(client().token(), /The secret a\/tokens\/b has no token/);
});

test("after a 401, a newer token is tried with the same request", async () => {
  const mx = client();
  await mx.token();
  publish("2");
  answers = [answer(401), answer(201)];
  const { status } = await mx.fetch(URL, { method: "POST", body: "a body" });
  assert.deepEqual([status, ...sent.map(({ init, headers }) => [init.method, init.body, headers.get("authorization")])], [201, ["POST", "a body", "Bearer token-1"], ["POST", "a body", "Bearer token-2"]]);
});

test("after a 401, a stream is not sent again", async () => {
  const mx = client();
  await mx.token();
  publish("2");
  answers = [answer(401)];
  const { status } = await mx.fetch(URL, { method: "POST", body: new ReadableStream(), duplex: "half" } as RequestInit);
  assert.deepEqual([status, sent.length], [401, 1]);
});

test("a refused token is reported to the stack's bus, by the version that was refused", async () => {
  answers = [answer(401)];
  await client().fetch(URL);
  assert.deepEqual(reports, [
    { region: "eu-west-1", EventBusName: "arn:aws:events:eu-west-1:111122223333:event-bus/default", Source: "a/tokens/b", DetailType: "Access Token Rejected", Detail: '{"version_id":"1"}' },
  ]);
});

test("a report can go to the bus of another Region, where the stack is", async () => {
  const bus = "arn:aws:events:eu-central-1:111122223333:event-bus/default";
  answers = [answer(401)];
  await client(bus).fetch(URL);
  const [{ region, EventBusName }] = reports as { region: string; EventBusName: string }[];
  assert.deepEqual([region, EventBusName], ["eu-central-1", bus]);
});

test("a token that was replaced meanwhile is not reported", async () => {
  const mx = client();
  await mx.token();
  publish("2");
  answers = [answer(401)];
  await mx.fetch(URL);
  assert.deepEqual(reports, []);
});

test("a 403 is left alone", async () => {
  answers = [answer(403)];
  await client().fetch(URL);
  assert.deepEqual([reads, reports], [1, []]);
});

test("what the host accepted within the last minute is not reported", async () => {
  const mx = client();
  const counts: number[] = [];
  answers = [answer(200), answer(401), answer(401)];
  for (const wait of [0, MINUTE - 1, 1]) {
    pass(wait);
    await mx.fetch(URL);
    counts.push(reports.length);
  }
  assert.deepEqual(counts, [0, 0, 1]);
});

test("that the host accepted the version before does not count", async () => {
  const mx = client();
  await mx.fetch(URL);
  publish("2");
  answers = [answer(401), answer(401), answer(401)];
  await mx.fetch(URL);
  await mx.fetch(URL);
  assert.deepEqual(reports.map((each) => (each as { Detail: string }).Detail), ['{"version_id":"2"}']);
});

test("a report is repeated once a minute while the version stays refused", async () => {
  const mx = client();
  const counts: number[] = [];
  answers = [answer(401), answer(401), answer(401)];
  for (const wait of [0, MINUTE - 1, 1]) {
    pass(wait);
    await mx.fetch(URL);
    counts.push(reports.length);
  }
  assert.deepEqual(counts, [1, 1, 2]);
});

test("a report that failed does not hold the next one back", async () => {
  const mx = client();
  isBusDown = true;
  answers = [answer(401), answer(401)];
  await mx.fetch(URL);
  await mx.fetch(URL);
  assert.equal(reports.length, 2);
});
