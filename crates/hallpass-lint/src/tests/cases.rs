//! For each rule a document that breaks it, what is under the caret, and a document that nearly breaks it.

pub(super) struct Case {
    pub(super) code: &'static str,
    /// `i` identity, `r` resource, `t` trust.
    pub(super) kind: char,
    pub(super) bad: &'static str,
    pub(super) under: &'static str,
    pub(super) good: &'static str,
}

macro_rules! cases {
    ($($code:ident $kind:literal $bad:literal => $under:literal, not $good:literal;)*) => {
        pub(super) const CASES: &[Case] = &[$(Case {
            code: stringify!($code),
            kind: $kind,
            bad: $bad,
            under: $under,
            good: $good,
        },)*];
    };
}

cases! {
    HP1001 'i' r#"={"Version": }"# => "}", not r#"={"Version": 1}"#;
    HP1003 'i' r#"{"Sid": "ж", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"# => "ж",
        not r#"{"Sid": "ß", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP1004 'i' r#"{"Effect": "Allow", "action": "s3:GetObject", "Resource": "*"}"# => "\"action\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP1005 'i' r#"{"Effect": "Allow", "Action": ["s3:GetObject", 7], "Resource": "*"}"# => "7",
        not r#"{"Effect": "Allow", "Action": ["s3:GetObject", null], "Resource": "*"}"#;
    HP1006 'i' r#"={"Version": "2013-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"# => "\"2013-10-17\"",
        not r#"={"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;
    HP1007 'i' r#"={"Version": "2012-10-17"}"# => "{", not r#"={"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;
    HP1008 'i' r#"{"Action": "s3:GetObject", "Resource": "*"}"# => "{", not r#"{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP1009 'i' r#"{"Effect": "allow", "Action": "s3:GetObject", "Resource": "*"}"# => "\"allow\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP1010 'i' r#"{"Effect": "Allow", "Resource": "*"}"# => "{", not r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}"#;
    HP1011 'i' r#"{"Effect": "Allow", "Action": "GetObject", "Resource": "*"}"# => "\"GetObject\"",
        not r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    HP1012 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject"}"# => "{", not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP1013 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "bucket"}"# => "\"bucket\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}"#;
    HP1014 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:eu-west-1::bucket/*"}"# => "\"arn:aws:s3:eu-west-1::bucket/*\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:*::bucket/*"}"#;
    HP1015 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:amazon:s3:::bucket/*"}"# => "\"arn:amazon:s3:::bucket/*\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws-cn:s3:::bucket/*"}"#;
    HP1016 't' r#"{"Effect": "Allow", "Action": "sts:AssumeRole"}"# => "{",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}"#;
    HP1017 'i' r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}"# => "\"Principal\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP1018 'r' r#"{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:role/*", "123456789012"]}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"# => "\"arn:aws:iam::123456789012:role/*\"",
        not r#"{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#;
    HP1019 'i' r#"{"Sid": "a", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*", "Sid": "a" }"# => "\"a\"",
        not r#"{"Sid": "a", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*", "Sid": "A" }"#;
    HP1020 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "NotAction": "iam:*", "Resource": "*"}"# => "\"NotAction\"",
        not r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}"#;
    HP1021 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEqual": {"aws:username": "a"}}}"# => "\"StringEqual\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEqualsIfExists": {"aws:username": "a"}}}"#;
    HP1022 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}"# => "\"aws:CurrentTime\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}"#;
    HP1023 't' r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*", "Principal": {"Service": "ec2.amazonaws.com"}}"# => "\"Resource\"",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}"#;
    HP1024 't' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Principal": {"Service": "ec2.amazonaws.com"}}"# => "\"s3:GetObject\"",
        not r#"{"Effect": "Allow", "Action": "sts:TagSession", "Principal": {"Service": "ec2.amazonaws.com"}}"#;
    HP2001 'i' r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"# => "\"*\"", not r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#;
    HP2002 'i' r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}"# => "\"iam:PassRole\"",
        not r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}"#;
    HP2002 'i' r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}"# => "\"iam:PassRole\"",
        not r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:ResourceTag/team": "a"}}}"#;
    HP2003 'i' r#"{"Effect": "Allow", "Action": ["s3:ListBucket", "iam:Pass*"], "Resource": "arn:aws:iam::*:role/*"}"# => "\"iam:Pass*\"",
        not r#"{"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::*:role/app/*"}"#;
    HP2004 'i' r#"{"Effect": "Allow", "Action": "iam:PassRole", "NotResource": "arn:aws:iam::123456789012:role/admin"}"# => "\"iam:PassRole\"",
        not r#"{"Effect": "Deny", "Action": "iam:PassRole", "NotResource": "arn:aws:iam::123456789012:role/admin"}"#;
    HP2005 'i' r#"{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:Get*"], "Resource": "arn:aws:s3:::*/*"}"# => "\"s3:Get*\"",
        not r#"{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a*"}"#;
    HP2006 'i' r#"{"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::*"}"# => "\"s3:DeleteObject\"",
        not r#"{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceAccount": "123456789012"}}}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}, {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}"# => "\"iam:PassRole\"",
        not r#"{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/a"}, {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::123456789012:user/*"}"# => "\"iam:CreateAccessKey\"",
        not r#"{"Effect": "Allow", "Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::123456789012:user/${aws:username}"}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*"}"# => "\"iam:AttachRolePolicy\"",
        not r#"{"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:Attach*", "Resource": "*"}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "Resource": "*", "Condition": {"StringLike": {"iam:PassedToService": "lambda.*"}}}"# => "\"iam:PassRole\"",
        not r#"{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "Resource": "*", "Condition": {"StringLike": {"iam:PassedToService": "ec2.amazonaws.com"}}}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "arn:aws:iam::*:user/${aws:username}"}"# => "\"iam:AttachUserPolicy\"",
        not r#"={"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "arn:aws:iam::*:user/${aws:username}"}}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": ["iam:GetUser", "iam:*User*"], "Resource": "arn:aws:iam::${aws:PrincipalAccount}:user/staff/${AWS:UserName, 'x'}*"}"# => "\"iam:*User*\"",
        not r#"{"Effect": "Allow", "Action": ["iam:GetUser", "iam:*User*"], "Resource": "arn:aws:iam::${aws:PrincipalAccount}:user/test-${aws:username}"}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:PutUserPolicy", "Resource": "*"}"# => "\"iam:PutUserPolicy\"",
        not r#"{"Effect": "Allow", "Action": "iam:PutUserPolicy", "Resource": "arn:aws:iam::*:user/${aws:username}", "Condition": {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/b"}}}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:DeleteUserPermissionsBoundary", "Resource": "arn:aws:iam::*:user/${aws:username}", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}"# => "\"iam:DeleteUserPermissionsBoundary\"",
        not r#"{"Effect": "Allow", "Action": ["iam:CreateAccessKey", "iam:UpdateLoginProfile", "iam:EnableMFADevice"], "Resource": "arn:aws:iam::*:user/${aws:username}"}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:AddUserToGroup", "Resource": ["arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::*:group/*"]}"# => "\"iam:AddUserToGroup\"",
        not r#"{"Effect": "Allow", "Action": "iam:AddUserToGroup", "Resource": ["arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::*:group/staff"]}"#;
    HP2007 'i' r#"{"Effect": "Allow", "Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::${aws:PrincipalAccount}:user/*"}"# => "\"iam:CreateAccessKey\"",
        not r#"{"Effect": "Allow", "Action": "iam:PutUserPermissionsBoundary", "Resource": "arn:aws:iam::${aws:PrincipalAccount}:user/bob"}"#;
    HP2008 'i' r#"{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}"# => "\"sts:*\"",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::123456789012:role/a*"}"#;
    HP2009 'r' r#"{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"# => "\"*\"",
        not r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a"}}}"#;
    HP2010 'i' r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}"# => "\"NotAction\"",
        not r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}"#;
    HP2011 't' r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}"# => "\"*\"",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/a*"}}}"#;
    HP2012 't' r#"{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}, "Condition": {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}}}"# => "\"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com\"",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}, "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:a/b:*"}}}"#;
    HP2013 'r' r#"{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-west-1:123456789012:q"}"# => "\"sns.amazonaws.com\"",
        not r#"{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-west-1:123456789012:q", "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}"#;
    HP2014 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:username": "a"}}}"# => "\"ForAllValues:StringEquals\"",
        not r#"{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}}"#;
    HP2015 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/a"}}}"# => "\"StringLike\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/a"}}}"#;
    HP2018 'i' r#"{"Effect": "Allow", "Action": "s3:PutBucketPolicy", "Resource": "*"}"# => "\"s3:PutBucketPolicy\"",
        not r#"{"Effect": "Allow", "Action": "s3:PutBucketPolicy", "Resource": "arn:aws:s3:::b"}"#;
    HP2018 'i' r#"{"Effect": "Allow", "Action": ["s3:PutLifecycleConfiguration", "s3:PutBucketAcl"], "Resource": "arn:aws:s3:::*"}"# => "\"s3:PutLifecycleConfiguration\"",
        not r#"{"Effect": "Allow", "Action": ["s3:PutLifecycleConfiguration", "s3:PutBucketAcl"], "Resource": "arn:aws:s3:::*/*"}"#;
    HP2018 'i' r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject*"], "Resource": "arn:aws:s3:::*/*"}"# => "\"s3:PutObject*\"",
        not r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::*/*"}"#;
    HP2018 'i' r#"{"Effect": "Allow", "Action": ["s3:PutReplicationConfiguration", "iam:PassRole"], "Resource": "*"}"# => "\"s3:PutReplicationConfiguration\"",
        not r#"{"Effect": "Allow", "Action": "s3:PutReplicationConfiguration", "Resource": "*"}, {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}"#;
    HP2018 'i' r#"{"Effect": "Allow", "Action": "s3:Put*", "Resource": "*"}"# => "\"s3:Put*\"",
        not r#"{"Effect": "Allow", "Action": "s3:Put*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceAccount": "123456789012"}}}"#;
    HP3001 'i' r#"{"Effect": "Allow", "Action": ["s3:GetObjects", "s3:GetObjectAcl"], "Resource": "*"}"# => "\"s3:GetObjects\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject?cl", "Resource": "*"}"#;
    HP3001 'i' r#"{"Effect": "Allow", "Action": "s3:Fetch*", "Resource": "*"}"# => "\"s3:Fetch*\"",
        not r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#;
    HP3002 'i' r#"{"Effect": "Allow", "Action": "lamda:InvokeFunction", "Resource": "*"}"# => "\"lamda:InvokeFunction\"",
        not r#"{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}"#;
    HP3003 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"aws:Username1": "a"}}}"# => "\"aws:Username1\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"AWS:USERNAME": "a"}}}"#;
    HP3004 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"s3:prefixes": "a"}}}"# => "\"s3:prefixes\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"s3:prefix": "a"}}}"#;
    HP3005 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"s3:prefix": "a"}}}"# => "\"s3:prefix\"",
        not r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*", "Condition": {"StringEquals": {"s3:prefix": "a"}}}"#;
    HP3006 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceIp": "192.0.2.0/24"}}}"# => "\"StringEquals\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}"#;
    HP3007 'i' r#"={"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"# => "{",
        not r#"={"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;
    HP3008 'i' r#"={"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"# => "\"2008-10-17\"",
        not r#"={"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;
    HP3009 'i' r#"{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-west-1:12345678901:q"}"# => "\"arn:aws:sqs:eu-west-1:12345678901:q\"",
        not r#"{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-west-1:${aws:PrincipalAccount}:q"}"#;
    HP3010 'i' r#"{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:Ireland:123456789012:q"}"# => "\"arn:aws:sqs:Ireland:123456789012:q\"",
        not r#"{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-gov-west-1:123456789012:q"}"#;
    HP3011 'i' r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqz:eu-west-1:123456789012:q"}"# => "\"arn:aws:sqz:eu-west-1:123456789012:q\"",
        not r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:eu-west-1:123456789012:q"}"#;
    HP3012 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3::123456789012:b/*"}"# => "\"arn:aws:s3::123456789012:b/*\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:eu-west-1:123456789012:accesspoint/a/object/*"}"#;
    HP3013 'i' r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b"}"# => "\"s3:GetObject\"",
        not r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}"#;
    HP3013 'i' r#"{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "arn:aws:s3:::*"}"# => "\"s3:ListAllMyBuckets\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}"#;
    HP3014 'i' r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:S3:::b/*"}"# => "\"arn:aws:S3:::b/*\"",
        not r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::B/*"}"#;
    HP3015 'i' r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:eu-west-1"}"# => "\"arn:aws:sqs:eu-west-1\"",
        not r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*"}"#;
    HP3016 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"s3:prefix": ["a", "home/*"]}}}"# => "\"home/*\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": ["a", "home/*"]}}}"#;
    HP3017 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"NullIfExists": {"s3:prefix": "true"}}}"# => "\"NullIfExists\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Null": {"s3:prefix": "true"}}}"#;
    HP3018 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": ["true", "false"]}}}"# => "[\"true\", \"false\"]",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": ["true"]}}}"#;
    HP3019 'i' r#"={"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"}}"# => "\"arn:aws:s3:::b/${aws:username}\"",
        not r#"={"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"}}"#;
    HP3020 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username"}"# => "\"arn:aws:s3:::b/${aws:username\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}/*"}"#;
    HP3021 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${}/a"}"# => "\"arn:aws:s3:::b/${}/a\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${*}/a"}"#;
    HP3022 'i' r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${ aws:username}/a"}"# => "\"arn:aws:s3:::b/${ aws:username}/a\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/a b, 'c'}/a"}"#;
    HP3023 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Null": {"aws:username": "${aws:userid}"}}}"# => "\"${aws:userid}\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"aws:username": "${aws:userid}"}}}"#;
    HP3024 'i' r#"{"Effect": "Allow", "Action": "s3:${aws:username}", "Resource": "*"}"# => "\"s3:${aws:username}\"",
        not r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP3025 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "a", "aws:UserName": "b"}}}"# => "\"aws:UserName\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "a", "aws:userid": "b"}}}"#;
    HP3026 'r' r#"{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceOwner": "123456789012"}}}"# => "\"aws:SourceOwner\"",
        not r#"{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*", "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}"#;
    HP3027 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.1"]}}}"# => "\"10.0.0.0/8\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}}"#;
    HP3028 'r' r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "123456789012"}, "Action": "s3:*", "Resource": "*"}"# => "\"NotPrincipal\"",
        not r#"{"Effect": "Deny", "Principal": {"AWS": "123456789012"}, "Action": "s3:*", "Resource": "*"}"#;
    HP3029 'i' r#"{"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*"}"# => "\"iam:CreateServiceLinkedRole\"",
        not r#"{"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*", "Condition": {"StringEquals": {"iam:AWSServiceName": "rds.amazonaws.com"}}}"#;
    HP3030 'i' r#"{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag": "a"}}}"# => "\"aws:RequestTag\"",
        not r#"{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/t": "a"}}}"#;
    HP3031 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "a"}, "Null": {"aws:UserName": "true"}}}"# => "\"aws:username\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "a"}, "Null": {"aws:UserName": "false"}}}"#;
    HP3031 'i' r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "a"}, "StringNotEquals": {"aws:UserName": ["a", "b"]}}}"# => "\"aws:UserName\"",
        not r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": ["a", "c"]}, "StringNotEquals": {"aws:UserName": ["a", "b"]}}}"#;
    HP3032 'i' r#"{"Sid": "read all", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}"# => "\"read all\"",
        not r#"{"Sid": "ReadAll", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP3033 't' r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}"# => "\"arn:aws:iam::123456789012:root\"",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "123456789012"}, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}}"#;
    HP3034 'i' r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": []}}}"# => "\"aws:username\"",
        not r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:username": ""}}}"#;
    HP3035 'i' r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Null": {"aws:username": "yes"}}}"# => "\"yes\"",
        not r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Null": {"aws:username": true}}}"#;
    HP3036 'i' r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}"# => "\"Bool\"",
        not r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}"#;
    HP3036 'i' r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:ViaAWSService": "false", "AWS:MultifactorAuthPresent": [false]}}}"# => "\"Bool\"",
        not r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}"#;
    HP3036 'i' r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"StringEquals": {"aws:MultiFactorAuthPresent": "false", "aws:username": "ann"}, "Bool": {"aws:SecureTransport": "true"}}}"# => "\"StringEquals\"",
        not r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:MultiFactorAuthPresent": "true"}}}"#;
    HP3036 'i' r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"ForAnyValue:Bool": {"aws:MultiFactorAuthPresent": "false"}}}"# => "\"ForAnyValue:Bool\"",
        not r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}"#;
    HP3036 'i' r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}, {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Null": {"aws:MultiFactorAuthPresent": "true"}}}"# => "\"Bool\"",
        not r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}, {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Null": {"aws:MultiFactorAuthPresent": "true"}}}"#;
    HP3036 'i' r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}, "BoolIfExists": {"aws:ViaAWSService": "false"}}}"# => "\"Bool\"",
        not r#"{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}, "Null": {"aws:MultiFactorAuthPresent": "false"}}}"#;
    HP4001 'i' r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {}}"# => "\"Condition\"",
        not r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Null": {"aws:username": true}}}"#;
    HP4001 'i' r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"Bool": {}, "Null": {"aws:username": true}}}"# => "\"Bool\"",
        not r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}"#;
    HP4002 'i' r#"{"Sid": "", "Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}"# => "\"\"",
        not r#"{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}"#;
    HP4003 'i' r#"{"Effect": "Deny", "Action": ["s3:GetObject", "S3:get*"], "Resource": "*"}"# => "\"s3:GetObject\"",
        not r#"{"Effect": "Deny", "Action": ["s3:PutObject", "s3:Get*"], "Resource": "*"}"#;
    HP4003 'i' r#"{"Effect": "Deny", "Action": ["s3:*Object", "s3:GetObject", "s3:Get*"], "Resource": "*"}"# => "\"s3:GetObject\"",
        not r#"{"Effect": "Deny", "Action": ["s3:*Object", "s3:GetObjectAcl", "s3:*Acl?"], "Resource": "*"}"#;
    HP4004 'i' r#"{"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b*", "arn:aws:s3:::b/*"]}"# => "\"arn:aws:s3:::b/*\"",
        not r#"{"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}"#;
    HP4005 'i' r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}"# => "{",
        not r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}"#;
    HP4006 'i' r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": ["a", "b", "a" ]}}}"# => "\"a\"",
        not r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": ["a", "b", "A"]}}}"#;
    HP4007 'i' r#"{"Effect": "Deny", "Action": "S3:getObject", "Resource": "*"}"# => "\"S3:getObject\"",
        not r#"{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}"#;
    HP4008 'i' r#"{"Effect": "Allow", "Action": ["ec2:DescribeVolumes", "ec2:CreateVolume"], "Resource": "*"}, {"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/owner": "me"}}}"# => "\"ec2:CreateVolume\"",
        not r#"{"Effect": "Allow", "Action": ["ec2:CreateVolume"], "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/owner": "me"}}}, {"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/owner": "me"}}}"#;
    HP4009 'i' r#"{"Sid": "a", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}"# => "{",
        not r#"{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}"#;
    HP4010 'i' r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.1/24"}}}"# => "\"192.0.2.1/24\"",
        not r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.1"}}}"#;
    HP4011 't' r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sns.amazonaws.com"}}"# => "\"sns.amazonaws.com\"",
        not r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}"#;
    HP4012 'i' r#"{"Effect": "Deny", "Action": "s?:GetObject", "Resource": "*"}"# => "\"s?:GetObject\"",
        not r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#;
    HP4013 'r' r#"{"Effect": "Deny", "Principal": {"AWS": ["*", "123456789012"]}, "Action": "s3:*", "Resource": "*"}"# => "\"123456789012\"",
        not r#"{"Effect": "Deny", "Principal": {"AWS": ["210987654321", "123456789012"]}, "Action": "s3:*", "Resource": "*"}"#;
    HP4014 'i' r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:Put*"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}"# => "\"s3:Put*\"",
        not r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:*"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}"#;
    HP4014 'i' r#"{"Effect": "Allow", "Action": "s3:PutObject*", "Resource": "arn:aws:s3:::b/*"}"# => "\"s3:PutObject*\"",
        not r#"{"Effect": "Allow", "Action": ["s3:PutObject*", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"], "Resource": "arn:aws:s3:::b/*"}"#;
    HP4014 'i' r#"{"Effect": "Allow", "Action": "s3:PutBucket*", "Resource": "arn:aws:s3:::b*"}"# => "\"s3:PutBucket*\"",
        not r#"{"Effect": "Allow", "Action": "s3:PutBucket*", "Resource": "arn:aws:s3:::b/*"}"#;
    HP4014 'i' r#"{"Effect": "Allow", "Action": "s3:Put*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}, {"Effect": "Deny", "Action": "s3:Put*Acl", "Resource": "arn:aws:s3:::b*"}"# => "\"s3:Put*\"",
        not r#"{"Effect": "Allow", "Action": "s3:Put*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}, {"Effect": "Deny", "Action": ["s3:Put*Acl", "s3:Put*Policy", "s3:PutLifecycle*"], "Resource": "arn:aws:s3:::b*"}"#;
}
