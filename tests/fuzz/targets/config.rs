//! A configuration: any text is loaded or refused, what is refused says where, and no secret is
//! shown.

use std::{cell::RefCell, path::PathBuf};

use portcullis::{
    app::{self, ProcessState},
    clock::Clock,
    config::load::{Loader, Report},
    observe::log::AccessLog,
};

/// What every variable stands for.
const SECRET: &str = "canary-in-a-secret-variable-0123456789";

thread_local! {
    /// The loader reads a file, so each thread has one; and a runtime that nothing runs on.
    static PLACE: RefCell<(PathBuf, tokio::runtime::Runtime)> = RefCell::new({
        // The client of callouts takes its provider from the process, as `main` installs it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let thread = std::thread::current().id();
        let name = format!("portcullis-fuzz-{}-{thread:?}.yaml", std::process::id());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        (std::env::temp_dir().join(name), runtime.expect("a runtime"))
    });
}

pub(crate) fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Twins read whatever file they name: not on the machine of who runs this.
    if text.contains("_file") {
        return;
    }
    PLACE.with_borrow(|(path, runtime)| {
        std::fs::write(path, text).expect("a temporary file");
        let environment = |_: &str| Some(SECRET.to_owned());
        let loader =
            Loader { path: path.clone(), environment: &environment, problems: &app::problems };
        let loaded = loader.load();
        let _ = std::fs::remove_file(path);
        match loaded {
            Err(report) => check(text, &report, &path.display().to_string()),
            Ok(loaded) => {
                let control = runtime.handle().clone();
                let clock = Clock::system();
                let process = ProcessState::new(&loaded.document, clock, control, AccessLog::off());
                if let Err(problems) = app::build(&loaded.document, &process) {
                    assert!(!problems.0.is_empty(), "refused for no reason");
                    let count = problems.0.len();
                    let report = loaded.report(problems);
                    assert!((1..=count).contains(&report.problems.len()), "{report}");
                    check(text, &report, &path.display().to_string());
                }
            }
        }
    });
}

fn check(text: &str, report: &Report, name: &str) {
    let shown = report.to_string();
    let lines = text.split('\n').count();
    // The drawing's own arrow: `  --> gateway.yaml:3:1`.
    let arrow = format!("--> {name}:");
    let places: Vec<_> = shown.split(&arrow).skip(1).map(|rest| rest.split(':').next()).collect();
    assert_eq!(places.len(), report.problems.len(), "not every problem has a place:\n{shown}");
    for place in places {
        let line = place.and_then(|line| line.parse::<usize>().ok());
        assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "no such line:\n{shown}");
    }
    assert!(!shown.contains(SECRET), "a secret is shown:\n{shown}");
}
