aws secretsmanager get-secret-value --secret-id moviexchange/staging/tokens/_Website --query SecretString --output text |
  jq --raw-output '"Authorization: Bearer \(.access_token)", (select(.client_secret != "") | "MX-Api-Client-Secret: \(.client_secret)")' |
  curl --fail --silent --show-error --header @- https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains
