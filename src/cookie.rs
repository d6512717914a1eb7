//! `Set-Cookie` as Django writes it: the attributes in Python's order.

use std::{borrow::Cow, time::Duration};

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, de};

use crate::{
    clock::Timestamp,
    value::{Path, Problem, Problems},
};

/// What a cookie is sent with, the value aside.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// `Domain`.
    pub domain: Option<String>,
    /// `Path`.
    pub path: String,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
}

/// Whether other sites' requests carry the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// On top-level navigation only.
    Lax,
    /// Never.
    Strict,
    /// Always; browsers want `Secure` with it.
    None,
    /// The attribute is left out.
    Unset,
}

impl<'de> Deserialize<'de> for SameSite {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl de::Visitor<'_> for Form {
            type Value = SameSite;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`lax`, `strict`, `none`, or false to leave the attribute out")
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<SameSite, E> {
                if on {
                    Err(E::invalid_value(de::Unexpected::Bool(true), &self))
                } else {
                    Ok(SameSite::Unset)
                }
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<SameSite, E> {
                match word {
                    "lax" => Ok(SameSite::Lax),
                    "strict" => Ok(SameSite::Strict),
                    "none" => Ok(SameSite::None),
                    other => Err(E::unknown_variant(other, &["lax", "strict", "none", "false"])),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for SameSite {
    fn schema_name() -> Cow<'static, str> {
        "SameSite".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": ["lax", "strict", "none", false] })
    }
}

impl Cookie {
    /// Refuses what no browser would take or what would end the header early.
    ///
    /// # Errors
    /// Name, domain or path.
    pub fn check(&self, path: &Path) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(token) {
            let problem = Problem::new(&path.key("cookie"), "this is not a name for a cookie");
            problems.push(problem.help("use letters, digits, `-` and `_`"));
        }
        let plain = |text: &str| text.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b';');
        for (key, text) in [("domain", self.domain.as_deref()), ("path", Some(&*self.path))] {
            if text.is_some_and(|text| !plain(text)) {
                problems.push(Problem::new(&path.key(key), "this cannot stand in a cookie"));
            }
        }
        if self.name.starts_with("__Host-")
            && (self.domain.is_some() || self.path != "/" || !self.secure)
        {
            let problem = Problem::new(&path.key("cookie"), "no browser takes this cookie");
            problems.push(problem.help("`__Host-` needs `secure: true`, `path: /` and no domain"));
        }
        problems.finish(())
    }

    /// `Set-Cookie` with a value, for `age` or until the browser is closed.
    pub fn set(&self, value: &str, age: Option<Duration>, now: Timestamp) -> HeaderValue {
        let lifetime = age.map(|age| (http_date(now + age), age.as_secs()));
        self.write(value, lifetime, self.secure, self.http_only)
    }

    /// `Set-Cookie` that makes the browser forget it.
    pub fn delete(&self) -> HeaderValue {
        // As Django: the attributes that browsers insist on, and no others.
        let secure = self.same_site == SameSite::None
            || self.name.starts_with("__Secure-")
            || self.name.starts_with("__Host-");
        let lifetime = Some((http_date(Timestamp::default()), 0));
        self.write("\"\"", lifetime, secure, false)
    }

    fn write(
        &self,
        value: &str,
        lifetime: Option<(String, u64)>,
        secure: bool,
        http_only: bool,
    ) -> HeaderValue {
        let mut text = format!("{}={value}", self.name);
        if let Some(domain) = &self.domain {
            text.push_str(&format!("; Domain={domain}"));
        }
        if let Some((expires, _)) = &lifetime {
            text.push_str(&format!("; expires={expires}"));
        }
        if http_only {
            text.push_str("; HttpOnly");
        }
        if let Some((_, seconds)) = &lifetime {
            text.push_str(&format!("; Max-Age={seconds}"));
        }
        text.push_str(&format!("; Path={}", self.path));
        text.push_str(match self.same_site {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
            SameSite::Unset => "",
        });
        if secure {
            text.push_str("; Secure");
        }
        // `check` has seen to it that every part can stand in a header.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// RFC 9110 section 5.6.7.
fn http_date(moment: Timestamp) -> String {
    let since = Duration::from_secs(moment.seconds());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> Cookie {
        Cookie {
            name: "sessionid".into(),
            domain: None,
            path: "/".into(),
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
        }
    }

    #[test]
    fn as_django_writes_them() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let set = |cookie: &Cookie, age| cookie.set("k", age, now).to_str().unwrap().to_owned();
        assert_eq!(
            set(&cookie(), Some(Duration::from_secs(1_209_600))),
            "sessionid=k; expires=Tue, 28 Nov 2023 22:13:20 GMT; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax"
        );
        assert_eq!(set(&cookie(), None), "sessionid=k; HttpOnly; Path=/; SameSite=Lax");
        let all = Cookie {
            name: "sid".into(),
            domain: Some(".example.com".into()),
            path: "/api".into(),
            secure: true,
            http_only: false,
            same_site: SameSite::Strict,
        };
        assert_eq!(
            set(&all, None),
            "sid=k; Domain=.example.com; Path=/api; SameSite=Strict; Secure"
        );
        assert_eq!(
            cookie().delete().to_str().unwrap(),
            "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"
        );
    }
}
