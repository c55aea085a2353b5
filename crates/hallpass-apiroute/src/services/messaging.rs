//! SQS, SNS, Kinesis, Firehose.

use crate::asked::{Asked, Found, is_resource_name, whole_arn};
use crate::resource::is_plain_name;
use hallpass_types::AccountId;

/// The queue that `QueueUrl`, the path, `QueueName` or an ARN names; all of them, when several do.
///
/// A queue URL's host is not looked at: the request goes to the endpoint of its own region whatever it says.
pub(super) fn queue(asked: &Asked<'_>) -> Found {
    let arn = |account: &str, name: &str| {
        let fits = account.parse::<AccountId>().is_ok() && is_plain_name(name);
        fits.then(|| asked.arn_in("sqs", asked.region, account, name))
    };
    let mut found = vec![];
    if let Some((account, name)) = &asked.request.queue_path {
        found.push(arn(account, name));
    }
    if let Some(url) = asked.body("QueueUrl") {
        let path = url
            .text()
            .and_then(|url| url.split_once("://")?.1.split_once('/'));
        found.push(path.and_then(|(_, path)| {
            let (account, name) = path.split_once('/')?;
            arn(account, name)
        }));
    }
    if let Some(name) = asked.body("QueueName") {
        let owner = match asked.body("QueueOwnerAWSAccountId") {
            Some(owner) => owner.text(),
            None => Some(asked.account),
        };
        found.push(name.text().zip(owner).and_then(|(name, owner)| arn(owner, name)));
    }
    for member in ["SourceArn", "DestinationArn"] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| whole_arn(text, "sqs")));
        }
    }
    Found::all(found)
}

/// The topic; of a subscription, the topic it is to.
pub(super) fn topic(asked: &Asked<'_>) -> Found {
    if asked.operation.name == "CreateTopic" {
        return Found::one(asked.text("Name").and_then(|name| asked.arn_or(name, "sns", "")));
    }
    let mut found = vec![];
    for member in ["TopicArn", "TargetArn", "ResourceArn"] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| whole_arn(text, "sns")));
        }
    }
    if let Some(value) = asked.body("SubscriptionArn") {
        let topic = value
            .text()
            .and_then(|text| whole_arn(text.rsplit_once(':')?.0, "sns"));
        found.push(topic);
    }
    Found::all(found)
}

/// The stream by name or ARN, or the consumer.
pub(super) fn stream(asked: &Asked<'_>) -> Found {
    let mut found = vec![];
    for member in ["StreamARN", "ConsumerARN", "ResourceARN"] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| whole_arn(text, "kinesis")));
        }
    }
    if let Some(value) = asked.body("StreamName") {
        let name = value.text().filter(|name| is_plain_name(name));
        found.push(name.map(|name| asked.arn("kinesis", &format!("stream/{name}"))));
    }
    Found::all(found)
}

/// The delivery stream by name.
pub(super) fn delivery_stream(asked: &Asked<'_>) -> Found {
    let name = asked
        .text("DeliveryStreamName")
        .filter(|name| is_resource_name(name));
    Found::one(name.map(|name| asked.arn("firehose", &format!("deliverystream/{name}"))))
}
