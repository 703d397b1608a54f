// Calls movieXchange's API, or Vista's OCAPI, with the token that mx-token-rotator publishes. For Node.js 22.18 or later:
// npm install @aws-sdk/client-secrets-manager @aws-sdk/client-eventbridge
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { GetSecretValueCommand, type GetSecretValueCommandOutput, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

const MAX_AGE = 300_000, READ_INTERVAL = 10_000, MINUTE = 60_000; // milliseconds

export type Token = { arn: string; name: string; version: string; expiresAt: number; headers: Record<string, string> };

type Options = { secrets?: SecretsManagerClient; eventBus?: string };

/**
 * Takes the token secret's name or ARN, and the hosts that may get the token, with the port unless it is 443.
 * Reports go to the default bus beside the secret; for a replica, name the bus in the stack's Region by its ARN.
 */
export function movieXchange(secretId: string, hosts: string[], { secrets = new SecretsManagerClient(), eventBus }: Options = {}) {
  let kept: Token | undefined, failure: unknown, reading: Promise<void> | undefined;
  let readAt = -Infinity, readInVainAt = -Infinity, reportedAt = -Infinity;
  const acceptedAt = new Map<string, number>(); // by host and version

  async function read(): Promise<void> {
    try {
      const token = parse(await secrets.send(new GetSecretValueCommand({ SecretId: secretId })));
      readAt = performance.now();
      readInVainAt = token.version === kept?.version ? readAt : -Infinity;
      kept = token;
    } catch (error) {
      [failure, readInVainAt] = [error, performance.now()]; // what is kept is used until it expires
    }
  }

  async function current(isNewerWanted: boolean): Promise<Token> {
    const now = performance.now();
    if ((isNewerWanted || now - readAt >= MAX_AGE) && now - readInVainAt >= READ_INTERVAL)
      await (reading ??= read().finally(() => (reading = undefined))); // one read for all who wait
    if (!kept) throw failure;
    return kept;
  }

  /** Returns a token with at least minLife milliseconds left, or else the newest that there is; never an expired one. */
  async function token(minLife = 0): Promise<Token> {
    const best = await current((kept?.expiresAt ?? 0) - Date.now() <= minLife);
    if (best.expiresAt <= Date.now()) throw new Error(`The token in ${best.name} has expired. See the last error of mx-token-rotator.`);
    return best;
  }

  /** Reports a refused token, unless the host accepted it within a minute: a 401 may mean that a visitor must sign in. */
  async function report({ arn, name, version }: Token, host: string): Promise<void> {
    const now = performance.now();
    if (now - Math.max(reportedAt, acceptedAt.get(host + version) ?? -Infinity) < MINUTE) return;
    reportedAt = now;
    const EventBusName = eventBus ?? arn.replace(/:secretsmanager:(.*?):secret:.*/, ":events:$1:event-bus/default");
    const region = EventBusName.split(":")[3];
    const event = { EventBusName, Source: name, DetailType: "Access Token Rejected", Detail: JSON.stringify({ version_id: version }) };
    try {
      const { Entries } = await new EventBridgeClient({ region }).send(new PutEventsCommand({ Entries: [event] }));
      if (Entries?.[0]?.ErrorCode) throw new Error(Entries[0].ErrorCode);
    } catch (error) {
      reportedAt = -Infinity;
      console.warn(`The refused token in ${name} was not reported: ${error}`);
    }
  }

  /** Fetches with the token's headers. After a 401 a newer token is tried once. Redirects are returned, not followed. */
  async function fetchWithToken(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const { protocol, host } = new URL(url);
    if (protocol !== "https:" || !hosts.includes(host)) throw new Error(`${protocol}//${host} may not get the token: name it among the hosts.`);
    const send = async (used: Token): Promise<Response> => {
      const headers = new Headers(init.headers);
      for (const [name, value] of Object.entries(used.headers)) headers.set(name, value);
      const answer = await fetch(url, { ...init, headers, redirect: "manual" });
      if (answer.ok) acceptedAt.set(host + used.version, performance.now());
      return answer;
    };
    const used = await token();
    const answer = await send(used);
    if (answer.status !== 401) return answer;
    const newer = await current(used.version === kept?.version);
    if (newer.version === used.version) await report(used, host);
    if (newer.version === used.version || init.body instanceof ReadableStream) return answer;
    await answer.body?.cancel();
    return send(newer);
  }

  return { token, fetch: fetchWithToken };
}

function parse({ ARN, Name, VersionId, SecretString }: GetSecretValueCommandOutput): Token {
  try {
    const { access_token, client_secret, expires_at } = JSON.parse(SecretString!);
    const headers = { Authorization: `Bearer ${access_token}`, ...(client_secret && { "MX-Api-Client-Secret": client_secret }) };
    return { arn: ARN!, name: Name!, version: VersionId!, expiresAt: Date.parse(expires_at), headers };
  } catch {
    throw new Error(`The secret ${Name} has no token. See the last error of mx-token-rotator.`); // without the parser's text, which quotes
  }
}
