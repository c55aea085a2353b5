use crate::model::{Operation, Service};
use crate::value::Value;
use crate::{Protocol, RouteError, body, operation_actions, route};
use hallpass_reference::AccessLevel;

/// A request whose meaning is known, as far as its head and, once read, its body tell.
#[derive(Debug)]
pub struct ApiRequest {
    pub(crate) service: &'static Service,
    pub(crate) operation: Option<&'static Operation>,
    pub(crate) protocol: Protocol,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Body,
    /// Of a query request whose `Action` is still to be read: who may be meant.
    pub(crate) candidates: Vec<(&'static Service, Protocol)>,
    /// Account and name of the queue that the path names.
    pub(crate) queue_path: Option<(String, String)>,
    pub(crate) body_must_be_empty: bool,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing that counts is in it.
    Ignored,
    Unread,
    Read(Value),
}

/// CloudTrail's data events, as far as they are told apart here: service of the models, operations.
const DATA_EVENTS: &[(&str, &[&str])] = &[
    (
        "dynamodb",
        &[
            "BatchExecuteStatement",
            "BatchGetItem",
            "BatchWriteItem",
            "DeleteItem",
            "ExecuteStatement",
            "ExecuteTransaction",
            "GetItem",
            "PutItem",
            "Query",
            "Scan",
            "TransactGetItems",
            "TransactWriteItems",
            "UpdateItem",
        ],
    ),
    ("dynamodbstreams", &["GetRecords", "GetShardIterator"]),
    ("lambda", &["Invoke", "InvokeAsync", "InvokeWithResponseStream"]),
    ("sns", &["Publish", "PublishBatch"]),
    (
        "sqs",
        &[
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
        ],
    ),
    (
        "bedrock-runtime",
        &[
            "Converse",
            "ConverseStream",
            "InvokeModel",
            "InvokeModelWithBidirectionalStream",
            "InvokeModelWithResponseStream",
            "StartAsyncInvoke",
        ],
    ),
    (
        "kinesis",
        &["GetRecords", "PutRecord", "PutRecords", "SubscribeToShard"],
    ),
    ("cloudwatch", &["GetMetricData", "PutMetricData"]),
];

impl ApiRequest {
    pub(crate) fn of(service: &'static Service, protocol: Protocol, method: &str) -> Self {
        Self {
            service,
            operation: None,
            protocol,
            method: method.to_owned(),
            path: String::new(),
            host: String::new(),
            labels: vec![],
            query: vec![],
            body: Body::Unread,
            candidates: vec![],
            queue_path: None,
            body_must_be_empty: false,
        }
    }

    pub(crate) fn known(
        (service, operation, protocol): (&'static Service, &'static Operation, Protocol),
        method: &str,
    ) -> Self {
        Self {
            operation: Some(operation),
            ..Self::of(service, protocol, method)
        }
    }

    /// The signing name, such as `sqs` or `monitoring`.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service.signing
    }

    /// The first part of the host's name at AWS, such as `sqs`, `monitoring` or `bedrock-runtime`; it may have dots.
    #[must_use]
    pub fn endpoint_prefix(&self) -> &'static str {
        self.service.endpoint
    }

    /// The prefix of the service's IAM actions, such as `sqs`, `cloudwatch` or `bedrock`.
    #[must_use]
    pub fn action_prefix(&self) -> &'static str {
        self.service.prefix
    }

    /// The operation's name in AWS's API reference. `None` while the body that names it is not read.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.operation.map(|operation| operation.name)
    }

    /// What the path says, by the names of the operation's members.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.labels.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// What the query says, decoded, without what authenticates; a name may be there more than once.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How the request speaks, and so how an error must be told.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the request changes anything: false when all its actions are of the access level List or Read. An
    /// operation that the reference does not know, or that is not known yet, may change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let Some(operation) = self.operation else {
            return true;
        };
        let reads = |name: &String| {
            let level = hallpass_reference::action(name).map(|action| action.access_level());
            matches!(level, Some(AccessLevel::List | AccessLevel::Read))
        };
        !operation_actions::of(self.service, operation, &self.method)
            .iter()
            .all(reads)
    }

    /// Whether CloudTrail would call it a data event. Told for DynamoDB's items, Lambda's invocations, messages of SNS
    /// and SQS, records of Kinesis, metrics, and Bedrock's invocations; false for all else.
    #[must_use]
    pub fn is_data_event(&self) -> bool {
        let Some(operation) = self.operation else {
            return false;
        };
        let mut events = DATA_EVENTS.iter();
        events.any(|(service, names)| *service == self.service.name && names.contains(&operation.name))
    }

    /// Whether the body must be read whole before the request can be decided on. False: nothing in it counts, and it may
    /// be streamed (Lambda's Invoke, Bedrock's InvokeModel, …).
    #[must_use]
    pub fn buffers_body(&self) -> bool {
        !matches!(self.body, Body::Ignored)
    }

    /// Whether the body is a stream of signed events (Transcribe's StartStreamTranscription, Bedrock's
    /// InvokeModelWithBidirectionalStream, …). Nothing in it counts for the decision.
    #[must_use]
    pub fn takes_events(&self) -> bool {
        self.operation.is_some_and(|operation| operation.takes_events) && !self.buffers_body()
    }

    /// Reads the body of a request that [buffers](Self::buffers_body) it. What the bytes say then counts in
    /// [`actions`](Self::actions); exactly these bytes must be sent on.
    ///
    /// # Errors
    /// [`RouteError::Body`] and its like; of a query request also what [`route`](crate::route()) says of an unknown
    /// action.
    pub fn read_body(&mut self, bytes: &[u8]) -> Result<(), RouteError> {
        if self.body_must_be_empty {
            return if bytes.is_empty() {
                Ok(())
            } else {
                Err(RouteError::Mixed("parameters in the query and in the body"))
            };
        }
        match self.body {
            Body::Ignored => {}
            _ if self.protocol.is_query() => {
                let form = body::read_form(self.protocol, bytes)?;
                route::settle(self, form)?;
            }
            _ => self.body = Body::Read(body::read(self.protocol, bytes)?),
        }
        Ok(())
    }
}
