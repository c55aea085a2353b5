/// How an API is spoken. Source: Smithy, "AWS protocols".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// AWS JSON 1.0: the operation in `X-Amz-Target`.
    Json10,
    /// AWS JSON 1.1: as 1.0, with another content type.
    Json11,
    /// AWS Query: the operation in `Action`, form in, XML out.
    Query,
    /// EC2's kind of AWS Query.
    Ec2,
    /// REST with JSON documents.
    RestJson,
    /// REST with XML documents.
    RestXml,
    /// Smithy RPC v2: the operation in the path, CBOR both ways.
    Cbor,
}

impl Protocol {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "json10" => Self::Json10,
            "json11" => Self::Json11,
            "query" => Self::Query,
            "ec2" => Self::Ec2,
            "restjson" => Self::RestJson,
            "restxml" => Self::RestXml,
            "cbor" => Self::Cbor,
            _ => return None,
        })
    }

    pub(crate) fn is_json_rpc(self) -> bool {
        matches!(self, Self::Json10 | Self::Json11)
    }

    pub(crate) fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::Ec2)
    }

    pub(crate) fn is_rest(self) -> bool {
        matches!(self, Self::RestJson | Self::RestXml)
    }
}
