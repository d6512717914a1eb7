//! `portcullis run`: the gateway from start to end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use anyhow::Context;
use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::HeaderMap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tracing::{error, info, warn};

use super::{
    control, load,
    reload::{Pages, Running, begin, bind_admin},
    warnings,
    watch::Changes,
};
use crate::{
    app::{self, Built, ProcessState},
    clock::Clock,
    config::Document,
    crypto::random_text,
    listen::{self, Address, Inherited, Shared, Workers},
    observe::log,
    package::print_line,
    store::NewUser,
    value::Secret,
};

pub(super) fn run(path: PathBuf, watch: bool) -> anyhow::Result<()> {
    let loaded = load(path.clone())?;
    let document = &loaded.document;
    let most = connections(allow_files());
    let control = control()?;
    let logs = log::start(&document.log).context("the audit file cannot be written")?;
    let (handle, access) = (control.handle().clone(), logs.access.clone());
    let process = ProcessState::new(document, Clock::system(), handle, access);
    let mut built = app::build(document, &process).map_err(|problems| loaded.report(problems))?;
    let signals = control.block_on(async { Signals::install() })?;
    let changes = watch.then(|| Changes::of(&path, &loaded.files)).transpose();
    let changes = changes.with_context(|| format!("{} cannot be watched", path.display()))?;
    let bound = listen::bind(&document.listen, &mut Inherited::take());
    let bound = bound.map_err(|(address, error)| cannot_listen(&address, &error))?;
    let admin = document.admin.map(|address| bind_admin(address, listen::is_handed_over()));
    let admin = admin.transpose()?;
    // Only now, when nothing can fail any more: what it prints is printed once.
    control.block_on(prepare(document, &built))?;

    let (stop, stopped) = watch::channel(false);
    let warnings = warnings(&loaded, &built, process.clock.now());
    warnings.iter().for_each(|warning| warn!("{warning}"));
    begin(&mut built, &process);
    process.recent.keep(document.admin.is_some());
    let shared = Shared {
        current: Arc::new(ArcSwap::from_pointee(built.serving)),
        metrics: process.metrics.clone(),
        stop: stopped,
        open: listen::Counts::default(),
        most,
    };
    let workers = Workers::start(bound, &shared)?;
    let addresses: Vec<_> = document.listen.iter().map(|one| one.address.to_string()).collect();
    if document.limits.connections.get() > most {
        info!(
            most,
            "the open-file limit allows fewer connections than `limits.connections` asks for"
        );
    }
    info!(listen = addresses.join(" "), workers = workers.count(), "serving");
    let pages = Pages::new(&process, &shared.current);
    let admin = admin.map(|(address, listener)| pages.serve(address, listener));
    let files = loaded.files;
    let running =
        Running { path, files, process, current: shared.current, workers, logs, pages, admin };
    listen::handed_over();

    let running = control.block_on(until_told(signals, changes, running))?;
    info!("stopping: open requests may finish");
    running.pages.serving.store(false, Ordering::Relaxed);
    let notice = running.current.load().limits.notice.0;
    control.block_on(async { tokio::time::sleep(notice).await });
    // It fails only if every worker is gone already.
    let _ = stop.send(true);
    running.workers.join();
    running.current.load().gateway.traces.flush();
    Ok(())
}

/// Waits for the end; reloads on the way.
async fn until_told(
    mut signals: Signals,
    mut changes: Option<Changes>,
    mut running: Running,
) -> anyhow::Result<Running> {
    loop {
        let changed = async {
            match &mut changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signals.terminate.recv() => return Ok(running),
            _ = signals.interrupt.recv() => return Ok(running),
            _ = signals.replace.recv() => {
                match listen::hand_over(&running.workers) {
                    Ok(process) => info!(process, "a new process starts and takes over"),
                    Err(error) => error!(%error, "no new process can take over the sockets"),
                }
                continue;
            }
            _ = signals.hangup.recv() => {}
            () = changed => info!("the configuration's file, or one that it names, has changed"),
        }
        // It reads files and builds, which is not for a thread that others wait for.
        let reloaded = tokio::task::spawn_blocking(move || {
            // A panic in a library must not end what serves.
            if catch_unwind(AssertUnwindSafe(|| running.reload())).is_err() {
                error!("the old configuration stays: building the new one failed");
            }
            running
        });
        running = reloaded.await.context("building a configuration has failed")?;
        if let Some(changes) = &mut changes
            && let Err(error) = changes.follow(&running.path, &running.files)
        {
            warn!(%error, "the configuration's file cannot be watched any longer");
        }
    }
}

/// As many files as the system lets a process have, where that is limited: each connection is one,
/// and shells and containers begin with 1024.
fn allow_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!(%error, "the open-file limit could not be raised");
            limit.current
        }
    }
}

/// How many connections there are files for: some are kept for the store, the log and health, and
/// each request may need one to its upstream.
fn connections(files: Option<u64>) -> usize {
    const KEPT: u64 = 128;
    let half = files.map(|files| (files.saturating_sub(KEPT) / 2).max(1));
    half.and_then(|half| usize::try_from(half).ok()).unwrap_or(usize::MAX)
}

fn cannot_listen(address: &Address, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot listen on {address}: {error}")
}

/// The signals that mean something; installed before anything can be asked for by one.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    replace: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            replace: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Tables and the first user, where the store is the gateway's own; and the curl lines.
async fn prepare(document: &Document, built: &Built) -> anyhow::Result<()> {
    let created = match &document.store.bootstrap {
        None => {
            // A database of Django's may be down now and up in a minute: then requests are 503.
            if let Err(error) = built.db.create_tables().await {
                warn!(%error, "the store does not answer yet");
            }
            None
        }
        Some(name) => {
            built.db.create_tables().await.context("the store cannot be prepared")?;
            bootstrap(name, built).await?
        }
    };
    if let Ok(problems) = built.db.examine().await
        && !problems.is_empty()
    {
        error!("{}", super::store_lacks(&problems));
    }
    if let Some((name, password, token)) = created {
        welcome(document, &name, &password, &token);
    }
    Ok(())
}

async fn bootstrap(name: &str, built: &Built) -> anyhow::Result<Option<(String, String, String)>> {
    if !built.db.usernames().await?.is_empty() {
        return Ok(None);
    }
    let password = random_text(20)?;
    let now = Clock::system().now();
    let user = NewUser {
        username: name.to_owned(),
        email: String::new(),
        password: built
            .accounts
            .passwords
            .encode(Secret::new(password.clone()))
            .await?
            .reveal()
            .to_owned(),
        superuser: true,
    };
    let Some(user) = built.accounts.create_user(&built.db, &user, now).await? else {
        return Ok(None);
    };
    let grant = built.accounts.grant("token").context("there are no tokens")?;
    let granted = grant.issue(&user, &HeaderMap::new()).await?;
    let token = granted.values.first().map(|(_, token)| token.reveal().to_owned());
    Ok(Some((name.to_owned(), password, token.unwrap_or_default())))
}

fn welcome(document: &Document, name: &str, password: &str, token: &str) {
    let Some(listen) = document.listen.first() else { return };
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    let Some(address) = listen.address.tcp() else { return };
    let host = match address.ip().is_unspecified() {
        true => format!("127.0.0.1:{}", address.port()),
        false => address.to_string(),
    };
    let basic = STANDARD.encode(format!("{name}:{password}"));
    print_line!(
        "\nThe store was empty. It has a superuser now; this is shown once:\n\n  \
         user      {name}\n  password  {password}\n  token     {token}\n\n\
         Try it:\n\n  \
         curl -i {scheme}://{host}/                                   # 401 with the challenge\n  \
         curl -i {scheme}://{host}/ -H 'Authorization: Token {token}'\n  \
         curl -i {scheme}://{host}/ -H 'Authorization: Basic {basic}'\n  \
         curl -i {scheme}://{host}/ -H 'Authorization: Token {token}' -H 'Remote-User: root'\n"
    );
}
