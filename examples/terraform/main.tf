# One CloudFormation stack for each account, from the files of a release.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

variable "release" {
  description = "Folder with the files of a release."
  type        = string
  default     = "../../dist"
}

variable "code_bucket" {
  description = "S3 bucket of yours, in the Region of the stacks."
  type        = string
}

variable "accounts" {
  description = "Parameters of each stack, by the last part of the stack's name."
  type        = map(map(string))
  default = {
    uk-staging    = { SecretPrefix = "brands/uk", Environment = "staging", ClientIds = "_Website,_OfflineUpdater" }
    uk-production = { SecretPrefix = "brands/uk", Environment = "production", ClientIds = "_Website" }
    nz-staging    = { SecretPrefix = "brands/nz", Environment = "staging", ClientIds = "_Website" }
    nz-production = { SecretPrefix = "brands/nz", Environment = "production", ClientIds = "_Website" }
  }
}

resource "aws_s3_object" "code" {
  bucket = var.code_bucket
  # CloudFormation updates the function only if the key changes.
  key    = "mx-token-rotator/${filesha256("${var.release}/function.zip")}.zip"
  source = "${var.release}/function.zip"
}

resource "aws_cloudformation_stack" "account" {
  for_each = var.accounts

  name          = "mx-token-rotator-${each.key}"
  template_body = file("${var.release}/template.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = merge(each.value, {
    CodeBucket = aws_s3_object.code.bucket
    CodeKey    = aws_s3_object.code.key
  })
}
