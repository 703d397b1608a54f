# Lets the role of an application read the token of one client ID and report it as rejected. docs/security.md explains the
# statements, and has a third one for a stack with KmsKeyArn.

variable "reader_role" {
  description = "Name of the application's role."
  type        = string
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  secret     = "brands/uk/staging/tokens/_Website"
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.region
  account_id = data.aws_caller_identity.current.account_id
}

resource "aws_iam_role_policy" "reader" {
  name = "movieXchange-token"
  role = var.reader_role
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadToken"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:${local.secret}-??????"
      },
      {
        Sid      = "ReportTokenRejected"
        Effect   = "Allow"
        Action   = "events:PutEvents"
        Resource = "arn:${local.partition}:events:${local.region}:${local.account_id}:event-bus/default"
        Condition = {
          "ForAllValues:StringEquals" = {
            "events:source"      = local.secret
            "events:detail-type" = "Access Token Rejected"
          }
          Null = { "events:source" = "false", "events:detail-type" = "false" }
        }
      },
    ]
  })
}
