// One stack for each account, from the files of a release, and an application that reads a token.
const { App, Stack, aws_iam, aws_s3_assets, cloudformation_include } = require("aws-cdk-lib");
const { join } = require("node:path");
const { letRead } = require("./reader");

const release = join(__dirname, "../../dist");
const accounts = {
  "uk-staging": { SecretPrefix: "brands/uk", Environment: "staging", ClientIds: "_Website,_OfflineUpdater" },
  "uk-production": { SecretPrefix: "brands/uk", Environment: "production", ClientIds: "_Website" },
  "nz-staging": { SecretPrefix: "brands/nz", Environment: "staging", ClientIds: "_Website" },
  "nz-production": { SecretPrefix: "brands/nz", Environment: "production", ClientIds: "_Website" },
};

const app = new App();
for (const [name, parameters] of Object.entries(accounts)) {
  const stack = new Stack(app, `mx-token-rotator-${name}`);
  const code = new aws_s3_assets.Asset(stack, "Code", { path: join(release, "function.zip") });
  new cloudformation_include.CfnInclude(stack, "Template", {
    templateFile: join(release, "template.yaml"),
    parameters: { ...parameters, CodeBucket: code.s3BucketName, CodeKey: code.s3ObjectKey },
  });
}

const website = new Stack(app, "website");
const role = new aws_iam.Role(website, "Role", { assumedBy: new aws_iam.ServicePrincipal("lambda.amazonaws.com") });
letRead(role, accounts["uk-staging"], "_Website");
