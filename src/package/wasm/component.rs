//! The sandbox. A component is compiled once; each call gets an instance of its own, which sees its
//! arguments and nothing else, and ends with its answer: what one request leaves behind, no other
//! finds. There is no clock, no randomness and no file in it, for nothing is linked to it, so the
//! same arguments always get the same answer, and that may be remembered.

use std::{thread, time::Duration};

use wasmtime::{
    Config, Engine, EngineWeak, Error, ResourceLimiter, Result, Store, Trap,
    component::{Component as Code, Linker},
};

mod bindings {
    wasmtime::component::bindgen!({ path: "deploy/wasm/portcullis.wit", world: "custom-scheme" });
}

pub(super) use self::bindings::exports::portcullis::scheme::authentication as wit;
use self::bindings::{CustomScheme, CustomSchemePre};

/// A component, ready to be asked.
pub(super) struct Component {
    engine: Engine,
    code: CustomSchemePre<Memory>,
    limits: Limits,
    config: Vec<(String, String)>,
}

/// What a call may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) time: Duration,
    pub(super) memory: usize,
}

/// Why a file is no custom scheme.
pub(super) struct Unfit {
    pub(super) why: String,
    pub(super) help: Option<&'static str>,
}

/// How exactly time is kept.
const TICK: Duration = Duration::from_millis(10);

/// How long a component may take to start when it is loaded.
const START: Duration = Duration::from_secs(1);

/// An answer longer than this is not read.
const ANSWER_LIMIT: usize = 64 << 10;

/// How a file begins that holds a module and no component.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

impl Component {
    pub(super) fn load(
        file: &[u8],
        limits: Limits,
        config: Vec<(String, String)>,
    ) -> Result<Self, Unfit> {
        let unfit = |why: String, help| Unfit { why, help };
        if file.starts_with(MODULE) {
            let why = "is a WebAssembly module, and no component".to_owned();
            return Err(unfit(why, Some("make one of it with `wasm-tools component new`")));
        }
        let engine = engine().map_err(|error| unfit(format!("cannot run here: {error}"), None))?;
        let code = Code::from_binary(&engine, file).map_err(|error| {
            let cause = error.root_cause().to_string();
            // The one thing that is asked of the system.
            let denied = cause.contains("os error");
            let help = "it is compiled, which takes memory that may be executed: see deploy/wasm";
            unfit(format!("cannot be loaded as a component: {cause}"), denied.then_some(help))
        })?;
        let ty = code.component_type();
        let imports: Vec<&str> = ty.imports(&engine).map(|(name, _)| name).collect();
        if !imports.is_empty() {
            let why = format!("wants what a scheme is not given: {}", imports.join(", "));
            return Err(unfit(why, Some("build it for wasm32-unknown-unknown, without WASI")));
        }
        let code = Linker::new(&engine).instantiate_pre(&code).and_then(CustomSchemePre::new);
        let code = code.map_err(|error| {
            let why = format!("is not the scheme it should be: {error:#}");
            unfit(why, Some("it exports what deploy/wasm/portcullis.wit says"))
        })?;
        let component = Self { engine, code, limits, config };
        // What cannot even start is found now, and not by the first request. That a machine is busy
        // while everything starts is no fault of the component's.
        match component.instance(limits.time.max(START)) {
            Ok(_) => Ok(component),
            Err(error) => Err(unfit(format!("does not start: {}", cause(&error)), None)),
        }
    }

    /// Asks it, on a thread that may be kept busy.
    pub(super) fn ask(&self, request: &wit::Request) -> Result<wit::Outcome, String> {
        let ask = || {
            let (mut store, instance) = self.instance(self.limits.time)?;
            let scheme = instance.portcullis_scheme_authentication();
            scheme.call_authenticate(&mut store, request, &self.config)
        };
        ask().map_err(|error| cause(&error))
    }

    fn instance(&self, time: Duration) -> Result<(Store<Memory>, CustomScheme)> {
        let mut store = Store::new(&self.engine, Memory { left: self.limits.memory });
        store.limiter(|memory| memory);
        store.set_hostcall_fuel(ANSWER_LIMIT);
        // The tick that is under way does not count.
        let ticks = time.as_millis().div_ceil(TICK.as_millis()) + 1;
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
        let instance = self.code.instantiate(&mut store)?;
        Ok((store, instance))
    }
}

/// An engine whose time goes on for as long as it is used.
fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config)?;
    let clock = engine.weak();
    thread::Builder::new().name("wasm-time".into()).spawn(move || tick(&clock))?;
    Ok(engine)
}

fn tick(clock: &EngineWeak) {
    while let Some(engine) = clock.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}

/// What an instance may still take, over all its memories and tables.
struct Memory {
    left: usize,
}

impl Memory {
    fn take(&mut self, bytes: usize) -> Result<bool> {
        // An error ends the call. Told no, some allocators would go on and answer all the same.
        self.left =
            self.left.checked_sub(bytes).ok_or_else(|| Error::msg("it takes too much memory"))?;
        Ok(true)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, old: usize, new: usize, _: Option<usize>) -> Result<bool> {
        self.take(new.saturating_sub(old))
    }

    fn table_growing(&mut self, old: usize, new: usize, _: Option<usize>) -> Result<bool> {
        self.take(new.saturating_sub(old).saturating_mul(size_of::<usize>()))
    }
}

/// For the log, in one line.
fn cause(error: &Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => "it takes too long".to_owned(),
        _ => error.root_cause().to_string(),
    }
}
