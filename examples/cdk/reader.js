const { ArnFormat, Stack, aws_iam } = require("aws-cdk-lib");

// Lets a role read the token of one client ID and report it as rejected. docs/security.md explains the statements, and
// has a third one for a stack with KmsKeyArn.
exports.letRead = (role, { SecretPrefix, Environment }, name) => {
  const secret = `${SecretPrefix}/${Environment}/tokens/${name}`;
  const arn = (service, resource, resourceName, arnFormat) =>
    Stack.of(role).formatArn({ service, resource, resourceName, arnFormat });

  role.addToPrincipalPolicy(
    new aws_iam.PolicyStatement({
      sid: "ReadToken",
      actions: ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
      resources: [arn("secretsmanager", "secret", `${secret}-??????`, ArnFormat.COLON_RESOURCE_NAME)],
    }),
  );
  role.addToPrincipalPolicy(
    new aws_iam.PolicyStatement({
      sid: "ReportTokenRejected",
      actions: ["events:PutEvents"],
      resources: [arn("events", "event-bus", "default")],
      conditions: {
        "ForAllValues:StringEquals": { "events:source": secret, "events:detail-type": "Access Token Rejected" },
        Null: { "events:source": "false", "events:detail-type": "false" },
      },
    }),
  );
};
