//! Configurations with what is said of them: a file `NAME.yaml` and the report `NAME.txt`. A report
//! of a bug becomes a test by putting its file there.

use portcullis::{
    app::{self, ProcessState},
    clock::Clock,
    config::load::Loader,
    observe::log::AccessLog,
};

fn report(path: &std::path::Path) -> String {
    let loader = Loader { path: path.to_owned(), environment: &|_| None, problems: &app::problems };
    let loaded = match loader.load() {
        Ok(loaded) => loaded,
        Err(report) => return report.to_string(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let process = ProcessState::new(&loaded.document, Clock::system(), handle, AccessLog::off());
    match app::build(&loaded.document, &process) {
        Ok(_) => "good".to_owned(),
        Err(problems) => loaded.report(problems).to_string(),
    }
}

/// `PORTCULLIS_BLESS=1` writes what is said now; read it before you keep it.
#[test]
fn every_file_is_reported_as_expected() {
    // The client of callouts takes its provider from the process, as `main` installs it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/golden").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        // What is wrong with a component is only seen by a binary that runs components.
        let is_wasm = path.file_stem().is_some_and(|name| name == "wasm");
        let extension = if is_wasm && cfg!(feature = "wasm") { "enabled.txt" } else { "txt" };
        let (said, kept) = (report(&path) + "\n", path.with_extension(extension));
        if std::env::var_os("PORTCULLIS_BLESS").is_some() {
            std::fs::write(&kept, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&kept).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
    }
    assert!(seen >= 4);
}
