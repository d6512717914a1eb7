//! Forms: `application/x-www-form-urlencoded` and `multipart/form-data`, as `request.POST` has them.

use hyper::body::Bytes;

/// Whether a `Content-Type` is one of the two that HTML forms send.
pub fn is_form(content_type: &[u8]) -> bool {
    let kind = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        || kind.eq_ignore_ascii_case(b"multipart/form-data")
}

/// All text fields of a multipart body, in order. Files are not text fields: as for Django, they
/// are not there.
///
/// # Errors
/// A body that is not framed as its header says.
pub async fn multipart(
    content_type: &str,
    body: Bytes,
) -> Result<Vec<(String, String)>, multer::Error> {
    let mut fields = Vec::new();
    collect(content_type, body, &mut fields).await.map(|()| fields)
}

async fn collect(
    content_type: &str,
    body: Bytes,
    fields: &mut Vec<(String, String)>,
) -> Result<(), multer::Error> {
    let boundary = multer::parse_boundary(content_type)?;
    // Django takes the end of the body for that of the form: a final boundary need not be there.
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let chunks = [body, end].map(Ok::<_, std::convert::Infallible>);
    let stream = futures_util::stream::iter(chunks);
    let mut form = multer::Multipart::new(stream, boundary);
    loop {
        let field = match form.next_field().await {
            // A part whose head is cut off is none.
            Ok(None) | Err(multer::Error::IncompleteStream | multer::Error::IncompleteHeaders) => {
                return Ok(());
            }
            Ok(Some(field)) => field,
            Err(error) => return Err(error),
        };
        let name = field.name().map(str::to_owned).filter(|_| field.file_name().is_none());
        let text = field.text().await?;
        fields.extend(name.map(|name| (name, text)));
    }
}

/// The last field of a name in the beginning of a body; what comes later is not looked at.
pub fn field(content_type: &str, body: &Bytes, name: &str) -> Option<String> {
    use futures_util::FutureExt;
    let mut fields = Vec::new();
    match content_type.trim_start().get(..9).is_some_and(|s| s.eq_ignore_ascii_case("multipart")) {
        // Everything is there already, so nothing is waited for. An error is the end of what is
        // there.
        true => {
            let _ = collect(content_type, body.clone(), &mut fields).now_or_never();
        }
        false => {
            let pairs = form_urlencoded::parse(body);
            fields.extend(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())));
        }
    }
    fields.into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_both_kinds() {
        let form = Bytes::from_static(b"a=1&token=x%2By&token=z");
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        assert!(is_form(kind.as_bytes()) && !is_form(b"application/json"));
        assert_eq!(field(kind, &form, "token").as_deref(), Some("z"));
        // The file that follows is longer than what was looked at.
        let cut = b"--B\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nx\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nabc";
        let kind = "multipart/form-data; boundary=B";
        assert_eq!(field(kind, &Bytes::from_static(cut), "token").as_deref(), Some("x"));
        assert_eq!(field(kind, &Bytes::from_static(b"--"), "token"), None);
    }
}
