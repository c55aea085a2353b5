/// An answer, ready for the wire. `Date`, `Content-Length` and `Connection` are the shell's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImdsResponse {
    /// The status code.
    pub status: u16,
    /// Header names as the real service spells them, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; for HEAD the shell leaves it out and keeps its length.
    pub body: Vec<u8>,
}

impl ImdsResponse {
    /// An answer with the service's usual headers.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("Content-Type", content_type.to_owned()),
            ("Server", "EC2ws".to_owned()),
        ];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// `text/plain`.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/plain", body)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of the header `name`, whatever the case of its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |header: &&(&'static str, String)| header.0.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|header| header.1.as_str())
    }
}

/// The XHTML page the real service sends with an error.
#[must_use]
pub fn html(status: u16) -> ImdsResponse {
    let title = match status {
        400 => "400 - Bad Request",
        401 => "401 - Unauthorized",
        403 => "403 - Forbidden",
        404 => "404 - Not Found",
        405 => "405 - Not Allowed",
        503 => "503 - Service Unavailable",
        _ => "500 - Internal Server Error",
    };
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{title}</title>\n </head>\n \
         <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    );
    ImdsResponse::new(status, "text/html", page)
}
