/// The head of a request as received: nothing decoded, nothing normalised.
#[derive(Debug, Clone, Copy)]
pub struct ApiHead<'a> {
    /// The signing name from the credential scope, such as `sqs` or `monitoring`.
    pub service: &'a str,
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The raw path of the request target.
    pub path: &'a str,
    /// The raw query string without its `?`.
    pub query: Option<&'a str>,
    /// Name (lower-case) and value of every header, repeated ones in their order.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> ApiHead<'a> {
    /// Every value of a header.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let found = self.headers.iter().filter(move |(other, _)| *other == name);
        found.map(|(_, value)| *value)
    }

    /// The only value of a header, trimmed. `Err` when it is given twice or is not text.
    pub(crate) fn only(&self, name: &'static str) -> Result<Option<&'a str>, crate::RouteError> {
        let mut values = self.all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(crate::RouteError::Repeated(name.to_owned()));
        }
        let text = std::str::from_utf8(value).map_err(|_| crate::RouteError::Header(name))?;
        Ok(Some(text.trim()))
    }
}
