//! `portcullis explain`: what would happen to a request, and why; or what has happened to one.

use std::{
    ffi::{OsStr, OsString},
    net::{IpAddr, SocketAddr},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use tokio::runtime::Handle;

use super::{control, load};
use crate::{
    app::{self, ProcessState},
    client::HttpClient,
    clock::Clock,
    config::load::Loader,
    gateway::{Explanation, Gateway, Route},
    observe::{
        log::AccessLog,
        recent::{Explained, RequestId, SchemeResult},
    },
    package::print_line,
    rejection::Rejection,
    request::{Body, Peer, Request},
    target::Preview,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The request method.
    #[arg(required_unless_present = "request")]
    method: Option<Method>,
    /// The URL, or its path alone.
    #[arg(required_unless_present = "request")]
    url: Option<String>,
    /// A header field, as for curl; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<OsString>,
    /// The body, where the decision depends on it (a CSRF token in a form, a payload hash); `@FILE`
    /// reads it from a file.
    #[arg(long, value_name = "BODY")]
    body: Option<String>,
    /// The address that the request comes from.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    from: IpAddr,
    /// The request comes over HTTPS.
    #[arg(long)]
    https: bool,
    /// A recent request of the running gateway, by the id at the end of its access line. The gateway is
    /// asked on its `admin` listener.
    #[arg(long, value_name = "ID", conflicts_with_all = ["method", "url", "headers", "body", "from", "https"])]
    request: Option<RequestId>,
}

pub(super) fn explain(path: PathBuf, arguments: Arguments) -> anyhow::Result<()> {
    if let Some(id) = arguments.request {
        let admin = admin(path)?;
        return control()?.block_on(what_happened(admin, id));
    }
    let loaded = load(path)?;
    let control = control()?;
    let handle = control.handle().clone();
    let process = ProcessState::new(&loaded.document, Clock::system(), handle, AccessLog::off());
    let built = app::build(&loaded.document, &process).map_err(|p| loaded.report(p))?;
    let (head, body) = head(&arguments)?;
    print_line!("{} {}", head.method, shown(&head.uri.to_string()));
    let peer = Peer::new(arguments.from, arguments.https);
    let gateway = &built.serving.gateway;
    control.block_on(async {
        built.db.dry_run();
        match gateway.read(head, body, &peer) {
            Ok(request) => show(gateway, gateway.explain(request, &peer).await),
            Err(malformed) => refused(&Rejection::from(malformed)),
        }
    });
    Ok(())
}

fn show(gateway: &Gateway, explained: Explanation<'_>) {
    let Explanation { client, route, schemes, decision, before, request } = explained;
    if let Some(client) = client {
        print_line!("  client     {client}");
    }
    if let Some(before) = before {
        return print_line!("  answered   {before}");
    }
    if let Some(route) = route {
        print_line!("  route      {}", route.name);
    }
    let caller = match &decision {
        Some(Ok(admitted)) => admitted.caller(),
        _ => None,
    };
    for (scheme, result) in &schemes {
        match (result, caller) {
            (SchemeResult::Authenticated, Some(caller)) => {
                print_line!("  scheme     {scheme}: is {}", shown(&caller.identity.username));
            }
            (result, _) => print_line!("  scheme     {scheme}: {}", shown(&result.to_string())),
        }
    }
    if let Some(route) = route {
        print_line!("  rule       {}", route.policy.describe());
    }
    match (decision, route, request) {
        (Some(Err(rejection)), ..) => {
            refused(&rejection);
            if let (Rejection::NotAuthenticated(_), Some(login)) = (&rejection, &gateway.login_url)
            {
                print_line!("  a browser  without a session is sent to {login}");
            }
        }
        (Some(Ok(admitted)), Some(route), Some(request)) => admit(route, request, &admitted),
        _ => {}
    }
}

fn admit(route: &Route, request: Box<Request>, admitted: &crate::policy::Admitted) {
    match admitted.caller() {
        Some(caller) => {
            print_line!(
                "  admitted   as {}, by {}",
                shown(&caller.identity.username),
                caller.scheme
            )
        }
        None => print_line!("  admitted   as an anonymous caller"),
    }
    match route.preview(request, admitted) {
        Err(rejection) => refused(&rejection),
        Ok(Preview::Gateway(by)) => print_line!("  answered   {by}"),
        Ok(Preview::Upstream(outgoing)) => {
            let target = outgoing.target().to_string();
            print_line!("\nThe upstream would see:\n\n{} {}", outgoing.method(), shown(&target));
            for (name, value) in outgoing.headers() {
                // The explanation may be pasted into a ticket.
                let secret = ["authorization", "cookie", "assertion", "key", "token", "secret"];
                let hidden = secret.iter().any(|word| name.as_str().contains(word));
                let shown = if hidden { "(hidden)".into() } else { self::value(value.as_bytes()) };
                print_line!("{name}: {shown}");
            }
        }
    }
}

fn refused(rejection: &Rejection) {
    print_line!("  refused    {} {}", rejection.status(), shown(&rejection.detail().english()));
    for challenge in rejection.challenges() {
        print_line!("             WWW-Authenticate: {}", value(challenge.as_bytes()));
    }
    if let Some(cause) = rejection.cause() {
        print_line!("  because    {}", shown(&cause));
    }
}

/// A client, or a service that names users, has written part of it, and this is a terminal.
fn shown(text: &str) -> std::str::EscapeDebug<'_> {
    text.escape_debug()
}

/// A header's value, which often has quotes and may have them here.
fn value(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes)).to_string().replace("\\\"", "\"")
}

/// Where the gateway that runs is asked. The variables of the file's secrets are its own: a user who
/// asks need not have them.
fn admin(path: PathBuf) -> anyhow::Result<Option<SocketAddr>> {
    let unknown = || Some("unknown-here-and-not-needed".to_owned());
    let environment = |name: &str| std::env::var(name).ok().or_else(unknown);
    let loaded = Loader { path, environment: &environment, problems: &app::problems }.load()?;
    Ok(loaded.document.admin)
}

/// What the gateway that runs has decided of a request.
async fn what_happened(admin: Option<SocketAddr>, id: RequestId) -> anyhow::Result<()> {
    let Some(address) = admin else {
        bail!("the gateway has no `admin` listener to ask; add `admin: 127.0.0.1:9090`");
    };
    let client = HttpClient::new(&Handle::current(), Clock::system());
    let url = format!("http://{address}/requests/{id}").parse()?;
    let answer = client.send(Method::GET, &url, HeaderMap::new(), LONGEST, PATIENCE).await;
    let (status, _, body) =
        answer.with_context(|| format!("no gateway answers on its `admin` listener {address}"))?;
    if status != StatusCode::OK {
        bail!("there is no request {id} among the last; each worker keeps a thousand");
    }
    let request: Explained = serde_json::from_slice(&body).context("the answer is another's")?;
    // A client has written part of it, and this is a terminal.
    print_line!("{} {}", request.method, request.path.escape_debug());
    print_line!("  client     {}", request.client);
    if let Some(route) = &request.route {
        print_line!("  route      {route}");
    }
    for (scheme, told) in &request.schemes {
        print_line!("  scheme     {scheme}: {}", told.to_string().escape_debug());
    }
    if let Some(rule) = &request.rule {
        print_line!("  rule       {rule}");
    }
    if let Some((user, scheme)) = &request.user {
        print_line!("  admitted   as {}, by {scheme}", user.escape_debug());
    }
    match &request.refused {
        Some((detail, cause)) => {
            print_line!("  refused    {} {}", request.status, detail.escape_debug());
            if let Some(cause) = cause {
                print_line!("  because    {}", cause.escape_debug());
            }
        }
        None => print_line!("  answered   {}", request.status),
    }
    print_line!("  in         {} µs", request.microseconds);
    Ok(())
}

/// More than any explanation has.
const LONGEST: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

fn head(arguments: &Arguments) -> anyhow::Result<(hyper::http::request::Parts, Body)> {
    let url: Uri = arguments.url.as_deref().unwrap_or("/").parse().context("this is not a URL")?;
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let method = arguments.method.as_ref().unwrap_or(&Method::GET);
    let request = hyper::Request::builder().method(method).uri(target);
    let (mut parts, ()) = request.body(()).context("this is not a path")?.into_parts();
    for header in &arguments.headers {
        let (name, value) = field(header)?;
        parts.headers.append(name, value);
    }
    if !parts.headers.contains_key(HOST) {
        let host = url.authority().map_or("localhost", |authority| authority.as_str());
        parts.headers.insert(HOST, HeaderValue::try_from(host)?);
    }
    let body = match arguments.body.as_deref().map(|body| (body.strip_prefix('@'), body)) {
        None => return Ok((parts, Body::Empty)),
        Some((Some(file), _)) => {
            std::fs::read(file).with_context(|| format!("{file} cannot be read"))?
        }
        Some((None, body)) => body.as_bytes().to_vec(),
    };
    if body.is_empty() {
        return Ok((parts, Body::Empty));
    }
    if !parts.headers.contains_key(CONTENT_LENGTH) && !parts.headers.contains_key(TRANSFER_ENCODING)
    {
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    Ok((parts, Body::given(body.into())))
}

/// A field is bytes, not text: clients send names in Latin-1.
fn field(header: &OsStr) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let mut parts = header.as_bytes().splitn(2, |byte| *byte == b':');
    let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
        bail!("`{}` is not a header; write `Name: value`", header.display());
    };
    let name = HeaderName::from_bytes(name.trim_ascii()).context("this is not a header name")?;
    let value =
        HeaderValue::from_bytes(value.trim_ascii()).context("this is not a header value")?;
    Ok((name, value))
}
