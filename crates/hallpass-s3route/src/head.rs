/// The head of a request as received: nothing decoded, nothing normalised.
#[derive(Debug, Clone, Copy)]
pub struct S3Head<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// The raw path of the request target.
    pub path: &'a str,
    /// The raw query string without its `?`.
    pub query: Option<&'a str>,
    /// Name (lower-case) and value of every header, repeated ones in their order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The bucket the host names, when the caller found one (virtual-host style); the path is all key then.
    pub host_bucket: Option<&'a str>,
}

impl S3Head<'_> {
    /// The first value of a header, trimmed.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
    }
}
