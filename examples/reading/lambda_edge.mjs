// An origin-request function of CloudFront, whose origin is the API. Lambda@Edge has no environment variables.
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

const secrets = new SecretsManagerClient({ region: "eu-west-1" }); // the stack's, wherever the function runs
let token, readAt = 0;

export async function handler(event) {
  if (Date.now() - readAt >= 300_000) {
    const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: "moviexchange/staging/tokens/_Website" }));
    [token, readAt] = [JSON.parse(SecretString), Date.now()];
  }
  const { request } = event.Records[0].cf;
  request.headers["authorization"] = [{ key: "Authorization", value: `Bearer ${token.access_token}` }];
  if (token.client_secret) request.headers["mx-api-client-secret"] = [{ key: "MX-Api-Client-Secret", value: token.client_secret }];
  return request;
}
