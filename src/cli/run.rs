//! `portcullis run`: the gateway from start to end.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tracing::{error, info, warn};

use super::{control, load, watch::Changes};
use crate::{
    admin::{self, Admin},
    app::{self, Built, World},
    clock::Clock,
    config::Document,
    crypto::random_text,
    gateway::{Gateway, Memory},
    listen::{self, Shared},
    observe::log,
    store::{NewUser, Revocations, Tokens, Users},
    value::Secret,
};

pub(super) fn run(path: PathBuf, watch: bool) -> anyhow::Result<()> {
    let loaded = load(path.clone())?;
    let document = &loaded.document;
    let control = control()?;
    let (access, _guards) = log::start(&document.log);
    let world = World::new(document, Clock::system(), control.handle().clone(), access);
    let built = app::build(document, &world).map_err(|problems| loaded.report(problems))?;
    let signals = control.block_on(async { Signals::install() })?;
    let changes = watch.then(|| Changes::of(&path)).transpose();
    let changes = changes.with_context(|| format!("{} cannot be watched", path.display()))?;
    let bound = listen::bind(&document.listen);
    let bound = bound.map_err(|(address, error)| cannot_listen(address, &error))?;
    let admin = document.admin.map(|address| (address, control.block_on(admin::bind(address))));
    let admin = admin.map(|(address, bound)| bound.map_err(|e| cannot_listen(address, &e)));
    let admin = admin.transpose()?;
    // Only now, when nothing can fail any more: what it prints is printed once.
    control.block_on(prepare(document, &built))?;

    let (stop, stopped) = watch::channel(false);
    built.gateway.memory.sessions.warning().into_iter().for_each(|warning| warn!("{warning}"));
    let memory = Arc::downgrade(&built.gateway.memory);
    built.gateway.start(&world.control);
    let current = Arc::new(ArcSwap::from_pointee(built.gateway));
    let shared = Shared {
        gateway: Arc::clone(&current),
        limits: document.limits.clone(),
        metrics: world.metrics.clone(),
        stop: stopped,
        open: Arc::default(),
    };
    let workers = bound.serve(&shared)?;
    let serving = Arc::new(AtomicBool::new(true));
    if let Some(listener) = admin {
        let admin = Admin {
            metrics: world.metrics.clone(),
            access: world.access.clone(),
            gateway: Arc::clone(&current),
            serving: Arc::clone(&serving),
        };
        control.spawn(admin.serve(listener));
    }
    control.spawn(prune(Arc::clone(&built.auth_limit)));
    control.spawn(forget(built.store.revocations(), memory));
    let addresses: Vec<_> = document.listen.iter().map(|one| one.address).collect();
    info!(listen = ?addresses, workers = workers.len(), "serving");

    control.block_on(until_told(signals, changes, &path, &world, &current))?;
    info!("ending: open requests may finish");
    serving.store(false, Ordering::Relaxed);
    // Nobody listens any more only if every worker is gone already.
    let _ = stop.send(true);
    for worker in workers {
        if worker.join().is_err() {
            error!("a worker thread had failed");
        }
    }
    Ok(())
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot listen on {address}: {error}")
}

/// The signals that mean something; installed before anything can be asked for by one.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Waits for the end; reloads on the way.
async fn until_told(
    mut signals: Signals,
    mut changes: Option<Changes>,
    path: &Path,
    world: &World,
    current: &Arc<ArcSwap<Gateway>>,
) -> anyhow::Result<()> {
    loop {
        let changed = async {
            match &mut changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.interrupt.recv() => return Ok(()),
            _ = signals.hangup.recv() => {}
            () = changed => info!("the configuration's file has changed"),
        }
        let (path, world, current) = (path.to_owned(), world.clone(), Arc::clone(current));
        // It reads files and builds, which is not for a thread that others wait for.
        let reloaded = tokio::task::spawn_blocking(move || reload(&path, &world, &current));
        if reloaded.await.is_err() {
            error!("the old configuration stays, for building the new one failed");
        }
    }
}

/// One swap, or none: a configuration with a problem changes nothing.
fn reload(path: &Path, world: &World, current: &ArcSwap<Gateway>) {
    let fresh = load(path.to_owned()).and_then(|loaded| {
        let built = app::build(&loaded.document, world);
        let built = built.map_err(|problems| loaded.report(problems))?;
        Ok((built, loaded.document))
    });
    world.metrics.reloaded(fresh.is_ok());
    match fresh {
        Ok((built, document)) => {
            if app::fixed(&document) != world.fixed {
                warn!("a change of listen, admin, limits, log or lockout takes a restart");
            }
            tokio::spawn(prune(Arc::clone(&built.auth_limit)));
            tokio::spawn(forget(built.store.revocations(), Arc::downgrade(&built.gateway.memory)));
            built.gateway.start(&world.control);
            current.store(Arc::new(built.gateway));
            info!("the new configuration serves");
        }
        Err(report) => {
            warn!("the old configuration stays, for the new one has problems:\n{report}");
        }
    }
}

/// Forgets what others revoke, until the configuration that remembers it is gone.
async fn forget(mut revocations: Revocations, memory: Weak<Memory>) {
    loop {
        let heard = tokio::time::timeout(Duration::from_secs(60), revocations.next()).await;
        let Some(memory) = memory.upgrade() else { return };
        let first = match heard {
            Ok(Some(first)) => first,
            Ok(None) => return,
            Err(_) => continue,
        };
        // Many at once, as when Django clears its sessions, are one search of the cache.
        let mut all = vec![first];
        while let (Some(Some(more)), true) = (revocations.next().now_or_never(), all.len() < 1000) {
            all.push(more);
        }
        memory.forget(all.iter().map(|heard| heard.revocation.clone()).collect()).await;
    }
}

/// Now and then forgets limits of networks that are quiet, until their configuration is gone.
async fn prune(limit: Arc<crate::throttle::AuthLimit>) {
    let limit = { Arc::downgrade(&limit) };
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        match limit.upgrade() {
            Some(limit) => limit.prune(),
            None => return,
        }
    }
}

/// Tables and the first user, where the store is the gateway's own; and the curl lines.
async fn prepare(document: &Document, built: &Built) -> anyhow::Result<()> {
    let created = match &document.store.bootstrap {
        None => {
            // A database of Django's may be down now and up in a minute: then requests are 503.
            if let Err(error) = built.store.create_tables().await {
                warn!(%error, "the store does not answer yet");
            }
            None
        }
        Some(name) => {
            built.store.create_tables().await.context("the store cannot be prepared")?;
            bootstrap(name, built).await?
        }
    };
    if let Some((name, password, token)) = created {
        welcome(document, &name, &password, &token);
    }
    Ok(())
}

async fn bootstrap(name: &str, built: &Built) -> anyhow::Result<Option<(String, String, String)>> {
    if !built.store.usernames().await?.is_empty() {
        return Ok(None);
    }
    let password = random_text(20)?;
    let now = Clock::system().now();
    let user = NewUser {
        username: name.to_owned(),
        email: String::new(),
        password: built.login.encode(Secret::new(password.clone())).await?.reveal().to_owned(),
        superuser: true,
    };
    let Some(id) = built.store.create_user(&user, now).await? else { return Ok(None) };
    let (token, _) = built.store.token_of(id, now).await?;
    Ok(Some((name.to_owned(), password, token.reveal().to_owned())))
}

fn welcome(document: &Document, name: &str, password: &str, token: &str) {
    let Some(listen) = document.listen.first() else { return };
    let (scheme, address) = (if listen.tls.is_some() { "https" } else { "http" }, listen.address);
    let host = match address.ip().is_unspecified() {
        true => format!("127.0.0.1:{}", address.port()),
        false => address.to_string(),
    };
    let basic = STANDARD.encode(format!("{name}:{password}"));
    println!(
        "\nThe store was empty. It has a superuser now; this is shown once:\n\n  \
         user      {name}\n  password  {password}\n  token     {token}\n\n\
         Try it:\n\n  \
         curl -i {scheme}://{host}/                                   # 401 with the challenge\n  \
         curl -i {scheme}://{host}/ -H 'Authorization: Token {token}'\n  \
         curl -i {scheme}://{host}/ -H 'Authorization: Basic {basic}'\n  \
         curl -i {scheme}://{host}/ -H 'Authorization: Token {token}' -H 'Remote-User: root'\n"
    );
}
