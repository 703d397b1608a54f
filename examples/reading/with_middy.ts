import middy from "@middy/core";
import secretsManager, { secret } from "@middy/secrets-manager";
import { clearCache } from "@middy/util";

type Token = { access_token: string; client_secret: string };

const tokens = secretsManager({
  fetchData: { token: secret<Token>("moviexchange/staging/tokens/_Website") },
  cacheKey: "moviexchange",
  cacheExpiry: 300_000, // milliseconds; by default, middy keeps a secret for as long as the function's environment lives
  setToContext: true,
});

export const handler = middy()
  .use(tokens)
  .handler(async (_event, { token }) => {
    const secret = token.client_secret && { "MX-Api-Client-Secret": token.client_secret };
    const headers = { Authorization: `Bearer ${token.access_token}`, ...(secret || {}) };
    const answer = await fetch("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains", { headers, redirect: "manual" });
    if (answer.status === 401) clearCache("moviexchange"); // the next invocation reads the secret again
    if (!answer.ok) throw new Error(`The API answered ${answer.status}.`); // so that Lambda, or the caller, tries again
    return answer.json();
  });
