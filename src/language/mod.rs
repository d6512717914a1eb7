//! Refusals in the client's language, as Django's `LANGUAGE_CODE` and `LocaleMiddleware`
//! choose it. The translations are the project's own: `portcullis init` asks Django for them and
//! writes them down beside the configuration.

mod text;

use std::{borrow::Cow, collections::HashMap, path::PathBuf};

use hyper::{HeaderMap, header::ACCEPT_LANGUAGE};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::text::{Content, Text, write_map};
use crate::{
    request::credentials::cookie,
    value::{Path, Problem, Problems, UniqueMap},
};

/// The `language` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Language")]
pub struct Config {
    /// `LANGUAGE_CODE`.
    code: String,
    /// `LocaleMiddleware`: the client may choose, by cookie or `Accept-Language`.
    #[serde(default)]
    negotiate: bool,
    /// `LANGUAGE_COOKIE_NAME`.
    #[serde(default = "language_cookie")]
    cookie: String,
    /// The file with the translations, which `portcullis init` writes.
    messages: PathBuf,
}

fn language_cookie() -> String {
    "django_language".into()
}

/// One of `LANGUAGES` in the file.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "the code of another language, or a map with `messages`")]
enum Entry {
    /// Django's fallback: `zh-cn` is `zh-hans`.
    Alias(String),
    Translations(Translations),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Translations {
    /// By the English text; `{…}` stands for what a message names.
    messages: HashMap<String, Message>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    /// Of one, and of any other number: DRF knows no other forms.
    Forms([String; 2]),
}

/// The languages that the gateway answers in.
pub struct Languages {
    code: String,
    negotiate: bool,
    cookie: String,
    /// In the order of `LANGUAGES`, which decides between two variants.
    known: Vec<Language>,
}

/// One language, with its translations.
pub struct Language {
    /// In lower case.
    code: String,
    alias: Option<String>,
    /// The forms of each message, by its English text: of one, and of any other number.
    messages: HashMap<String, Vec<String>>,
}

/// An `Accept-Language` longer than this is cut (Django's `ACCEPT_LANGUAGE_HEADER_MAX_LENGTH`).
const LONGEST: usize = 500;

impl Languages {
    /// Reads the translations.
    ///
    /// # Errors
    /// A file that cannot be read or understood, or does not have the language.
    pub fn new(config: &Config, path: &Path) -> Result<Self, Problems> {
        let at = path.key("messages");
        let file = config.messages.display();
        let text = std::fs::read_to_string(&config.messages).map_err(|error| {
            Problem::new(&at, format!("`{file}` cannot be read: {error}"))
                .help("`portcullis init --django` writes it")
        })?;
        let entries: UniqueMap<Entry> = serde_yaml::from_str(&text)
            .map_err(|error| Problem::new(&at, format!("`{file}` is not understood: {error}")))?;
        let mut problems = Problems::default();
        let known = entries.0.into_iter().filter_map(|(code, entry)| {
            let language = Language::new(&code, entry);
            let problem = |why: String| Problem::new(&at, format!("`{file}`, {code}: {why}"));
            problems.keep(language.map_err(|why| Problems::from(problem(why))))
        });
        let known = known.collect();
        let languages = Self {
            code: config.code.to_lowercase(),
            negotiate: config.negotiate,
            cookie: config.cookie.clone(),
            known,
        };
        if languages.variant(&config.code).is_none() {
            let problem = Problem::new(&path.key("code"), format!("`{file}` has no such language"));
            problems.push(problem.help("`portcullis init --django` writes all that Django has"));
        }
        problems.finish(languages)
    }

    /// The language for a request: Django's `get_language_from_request`, without prefixes of paths.
    /// None if the file does not have the configured one, which [`Self::new`] refuses.
    pub fn choose(&self, headers: &HeaderMap) -> Option<&Language> {
        let asked = self.negotiate.then(|| {
            let by_cookie = cookie(headers, &self.cookie).and_then(|code| self.variant(&code));
            by_cookie.or_else(|| {
                let lines = headers.get_all(ACCEPT_LANGUAGE).iter();
                let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
                let codes = accepted(&lines.join(",")).into_iter().take_while(|code| code != "*");
                codes.into_iter().find_map(|code| self.variant(&code))
            })
        });
        asked.flatten().or_else(|| self.variant(&self.code))
    }

    /// Django's `get_supported_language_variant`: `fr-ca` is served by `fr`, and `pt` by `pt-br`.
    fn variant(&self, code: &str) -> Option<&Language> {
        let code = code.get(..LONGEST).unwrap_or(code).to_lowercase();
        let named = |code: &str| self.known.iter().find(|language| language.code == code);
        let mut shorter = code.as_str();
        loop {
            let found = named(shorter).map(|language| match &language.alias {
                Some(alias) => named(alias),
                None => Some(language),
            });
            if let Some(language) = found.flatten() {
                return Some(language);
            }
            match shorter.rfind('-') {
                Some(dash) => shorter = shorter.get(..dash)?,
                None => break,
            }
        }
        let below = |language: &&Language| {
            language.code.strip_prefix(shorter).is_some_and(|rest| rest.starts_with('-'))
        };
        self.known.iter().find(below)
    }

    /// Whether answers depend on what the client asks for.
    pub fn negotiates(&self) -> bool {
        self.negotiate
    }
}

impl Language {
    fn new(code: &str, entry: Entry) -> Result<Self, String> {
        let code = code.to_lowercase();
        let mut language = Self { code, alias: None, messages: HashMap::new() };
        let translations = match entry {
            Entry::Alias(alias) => {
                language.alias = Some(alias.to_lowercase());
                return Ok(language);
            }
            Entry::Translations(translations) => translations,
        };
        for (english, message) in translations.messages {
            let forms = match message {
                Message::Text(text) => vec![text],
                Message::Forms(forms) => forms.into(),
            };
            let names = |text: &String| text.split_once('{').is_some_and(|(_, r)| r.contains('}'));
            if names(&english) && !forms.iter().all(names) {
                return Err(format!("{english}: the translation has no place for a value"));
            }
            language.messages.insert(english, forms);
        }
        Ok(language)
    }

    /// Its code, as `Content-Language` has it.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The translation of a message; where a value is named in it, of the form for that number.
    fn message(&self, english: &str, value: Option<&str>) -> Option<Cow<'_, str>> {
        let forms = self.messages.get(english)?;
        let form = usize::from(value.is_some_and(|value| value != "1"));
        forms.get(form).or(forms.last()).map(|form| form.as_str().into())
    }
}

/// Django's `parse_accept_lang_header`: the codes, the most wanted first; none if any is odd.
fn accepted(header: &str) -> Vec<String> {
    let header = match header.get(..LONGEST).filter(|_| header.len() > LONGEST) {
        Some(cut) => cut.rsplit_once(',').map_or("", |(whole, _)| whole),
        None => header,
    };
    let header = header.to_lowercase();
    let header = header.trim_end().strip_suffix(',').unwrap_or(&header);
    let range = |range: &str| {
        let (code, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let (code, weight) = (code.trim(), weight.trim().strip_prefix("q=")?);
        // As the grammar has it: `0`, `0.` or `1.`, and three digits at the most.
        let (whole, part_of_one) = weight.split_once('.').unwrap_or((weight, ""));
        let digits =
            part_of_one.len() <= 3 && part_of_one.bytes().all(|byte| byte.is_ascii_digit());
        if !(digits && matches!(whole, "0" | "1")) {
            return None;
        }
        let part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let first = code.split('-').next().unwrap_or_default();
        let language = code.split('-').all(part) && first.bytes().all(|b| b.is_ascii_alphabetic());
        let weight: f32 = weight.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
        (code == "*" || language).then(|| (code.to_owned(), weight))
    };
    let ranges: Option<Vec<_>> = header.split(',').map(range).collect();
    let mut ranges = ranges.unwrap_or_default();
    ranges.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranges.into_iter().map(|(code, _)| code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
en: { messages: {} }
fr:
  messages:
    "Not found.": Pas trouvé.
    "{n} seconds.": ["{n} seconde.", "{n} secondes."]
    "Method \"{method}\" not allowed.": "Méthode « {method} » non autorisée."
pt-br: { messages: {} }
zh-hans: { messages: {} }
zh-cn: zh-hans
"#;

    fn languages(code: &str, negotiate: bool) -> Result<Languages, Problems> {
        // A file of its own for each test, which may run at once.
        let file = std::env::temp_dir()
            .join(format!("portcullis-messages-{}-{code}-{negotiate}.yaml", std::process::id()));
        std::fs::write(&file, FILE).unwrap();
        let cookie = language_cookie();
        let config = Config { code: code.into(), negotiate, cookie, messages: file.clone() };
        let languages = Languages::new(&config, &Path::root());
        std::fs::remove_file(file).unwrap();
        languages
    }

    #[test]
    fn django_s_choice() {
        let languages = languages("en-us", true).unwrap();
        let choose = |accept: &str, cookie: &str| {
            let headers = [("accept-language", accept), ("cookie", cookie)];
            let headers = headers.map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
            languages.choose(&HeaderMap::from_iter(headers)).unwrap().code().to_owned()
        };
        for (accept, code) in [
            ("", "en"),
            ("fr", "fr"),
            ("FR-ca", "fr"),
            ("xx, fr;q=0.5", "fr"),
            ("en;q=0.1, fr;q=0.9", "fr"),
            ("fr;q=0.5,pt", "pt-br"),
            ("zh-CN", "zh-hans"),
            ("*, fr;q=0.5", "en"),
            ("fr;q=2", "en"),
            ("fr;Q=0.5,", "fr"),
            ("f1, fr", "en"),
            ("fr;q=0.5555", "en"),
            ("fr;q=1e-1", "en"),
            ("fr, b@d", "en"),
        ] {
            assert_eq!(choose(accept, ""), code, "{accept}");
        }
        assert_eq!(choose("pt", "django_language=fr"), "fr");
        assert_eq!(choose("pt", "django_language=xx"), "pt-br");
        // Attack: a list without end.
        assert_eq!(choose(&"xx,".repeat(10_000), ""), "en");
        assert!(self::languages("xx", false).is_err());
    }

    #[test]
    fn texts_numbers_and_names() {
        let languages = languages("fr", false).unwrap();
        let french = languages.choose(&HeaderMap::new());
        let say = |text: Text| text.in_language(french).into_owned();
        assert_eq!(say("Not found.".into()), "Pas trouvé.");
        assert_eq!(say(Text::naming("{n} seconds.", 1)), "1 seconde.");
        assert_eq!(say(Text::naming("{n} seconds.", 60)), "60 secondes.");
        let method = Text::naming("Method \"{method}\" not allowed.", "GET");
        assert_eq!(say(method), "Méthode « GET » non autorisée.");
        assert_eq!(say("Other.".into()), "Other.");
        // A service of the project's, or a user's name, may say the same: that is data.
        assert_eq!(say("Not found.".to_owned().into()), "Not found.");
    }
}
