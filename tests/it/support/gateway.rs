//! The binary under test, with a configuration and a store of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use sqlx::Connection as _;

use super::{
    PASSWORD, PATIENCE,
    explained::Foretold,
    http::{Answer, Connection, request},
};

/// A folder, and what is to be in the store before the gateway starts.
pub(crate) struct Setup {
    pub(crate) dir: Folder,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    store: Option<String>,
    sql: Vec<String>,
}

/// Alice's token.
pub(crate) const ALICE_KEY: &str = "0123456789abcdef0123456789abcdef01234567";

impl Setup {
    /// An embedded store.
    pub(crate) fn new() -> Self {
        let (port, admin) = (free_port(), free_port());
        Self { dir: Folder::new(), port, admin, store: None, sql: Vec::new() }
    }

    /// Another store.
    pub(crate) fn store(mut self, url: &str) -> Self {
        self.store = Some(url.to_owned());
        self
    }

    /// The port that Django under `tests/run` asks for keys.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A user with a password of few rounds.
    pub(crate) fn user(self, name: &str, password: &str) -> Self {
        self.insert(name, password, true)
    }

    pub(crate) fn inactive(self, name: &str, password: &str) -> Self {
        self.insert(name, password, false)
    }

    /// Alice, with the password and token of the contracts.
    pub(crate) fn alice(self) -> Self {
        self.user("alice", PASSWORD).token("alice", ALICE_KEY)
    }

    pub(crate) fn token(self, user: &str, key: &str) -> Self {
        self.sql(&format!(
            "INSERT INTO authtoken_token (key, created, user_id) \
             SELECT '{key}', '2024-01-02 03:04:05', id FROM auth_user WHERE username = '{user}'"
        ))
    }

    pub(crate) fn group(self, user: &str, group: &str) -> Self {
        self.sql(&format!("INSERT OR IGNORE INTO auth_group (name) VALUES ('{group}')")).sql(
            &format!(
                "INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id \
             FROM auth_user u, auth_group g WHERE u.username = '{user}' AND g.name = '{group}'"
            ),
        )
    }

    /// To be run when the gateway's binary has made the tables.
    pub(crate) fn sql(mut self, statement: &str) -> Self {
        self.sql.push(statement.to_owned());
        self
    }

    fn insert(self, name: &str, password: &str, active: bool) -> Self {
        let hash = hash(password);
        self.sql(&format!(
            "INSERT INTO auth_user (password, is_superuser, username, last_name, email, is_staff, \
             is_active, date_joined, first_name) VALUES ('{hash}', 0, '{name}', '', \
             '{name}@example.com', 0, {active}, '2024-01-02 03:04:05', '')"
        ))
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.0.join("store.db")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.0.join("gateway.yaml")
    }

    /// Writes the file: `yaml`, and before it what every test's has.
    pub(crate) fn write(&self, yaml: &str) {
        let database = format!("sqlite://{}", self.database().display());
        let store = self.store.as_deref().unwrap_or(&database);
        let mut text =
            format!("listen: 127.0.0.1:{}\nadmin: 127.0.0.1:{}\n", self.port, self.admin);
        if !yaml.contains("\nstore:") && !yaml.starts_with("store:") {
            text += &format!("store: {{ url: \"{store}\", create: true }}\n");
        }
        if !yaml.contains("passwords:") {
            text += "passwords: { iterations: 1000 }\n";
        }
        fs::write(self.config(), text + yaml).unwrap();
    }

    /// Writes the file and fills the store.
    pub(crate) fn prepare(&self, yaml: &str) {
        self.write(yaml);
        if !self.sql.is_empty() {
            // The first use of a store makes its tables.
            let made = portcullis(&self.config(), &["user", "list"], "");
            assert!(made.status.success(), "{made:?}");
            execute(&self.database(), &self.sql);
        }
    }

    pub(crate) fn start(self, yaml: &str) -> Gateway {
        self.prepare(yaml);
        Gateway::spawn(self)
    }
}

/// A running gateway; it ends with the value.
pub(crate) struct Gateway {
    pub(crate) setup: Setup,
    child: Child,
    output: Arc<Mutex<String>>,
    /// Whether `explain` is asked about each request before it is sent.
    explains: bool,
}

impl Gateway {
    /// From now on `explain` is asked about each request of [`Self::send`] first, and has to be
    /// right about it.
    pub(crate) fn explaining(mut self) -> Self {
        self.explains = true;
        self
    }

    /// Starts what `setup` has prepared and waits until it serves.
    pub(crate) fn spawn(setup: Setup) -> Self {
        Self::spawn_with(setup, &[])
    }

    pub(crate) fn spawn_with(setup: Setup, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "--config"])
            .arg(setup.config())
            .args(arguments)
            .current_dir(&setup.dir.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output: Arc<Mutex<String>> = Arc::default();
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let mut gateway = Self { setup, child, output, explains: false };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", gateway.setup.port)).is_err() {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                thread::sleep(std::time::Duration::from_millis(50));
                panic!("the gateway ended with {status}:\n{}", gateway.output());
            }
            assert!(start.elapsed() < PATIENCE, "it does not listen:\n{}", gateway.output());
            thread::sleep(std::time::Duration::from_millis(10));
        }
        gateway
    }

    /// A gateway with alice, and nothing else in its store.
    pub(crate) fn start(yaml: &str) -> Self {
        Setup::new().alice().start(yaml)
    }

    /// A request on a connection of its own.
    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let foretold = self.explains.then(|| Foretold::ask(self, method, target, headers, body));
        let answer = self
            .raw_to(&request(method, target, headers, body), method == "HEAD")
            .unwrap_or_else(|| panic!("no answer to {method} {target} {headers:?}"));
        if let Some(foretold) = foretold {
            foretold.compare(self);
        }
        answer
    }

    pub(crate) fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, headers, b"")
    }

    /// These bytes on a connection of their own, and what is answered.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        self.raw_to(bytes, false)
    }

    fn raw_to(&self, bytes: &[u8], to_head: bool) -> Option<Answer> {
        let mut connection = self.connect();
        connection.send(bytes);
        connection.receive(to_head)
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.setup.port)
    }

    /// A page of its admin listener.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        let mut connection = Connection::open(self.setup.admin);
        connection.send(&request("GET", path, &[], b""));
        connection.receive(false).unwrap()
    }

    /// What it has written so far, to either stream.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        super::until("it is up", || self.output().contains("serving"));
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Its exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.output());
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A command of the binary with its configuration, which has to succeed; what it prints.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("--config").arg(self.setup.config()).args(arguments);
        command.current_dir(&self.setup.dir.0);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Another SQL statement in its embedded store.
    pub(crate) fn execute(&self, statement: &str) {
        execute(&self.setup.database(), &[statement.to_owned()]);
    }

    /// The first column of every row in its embedded store, as text.
    pub(crate) fn texts(&self, query: &str) -> Vec<String> {
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()));
        on_database(&self.setup.database(), async |connection| query.fetch_all(connection).await)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the gateway's output\n{}", self.output());
        }
    }
}

fn collect(stream: impl std::io::Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

/// A command of the binary, to its end.
pub(crate) fn portcullis(config: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn execute(database: &Path, statements: &[String]) {
    on_database(database, async |connection| {
        for statement in statements {
            let statement = sqlx::AssertSqlSafe(statement.clone());
            sqlx::raw_sql(statement).execute(&mut *connection).await?;
        }
        Ok(())
    });
}

fn on_database<T>(
    database: &Path,
    work: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> Result<T, sqlx::Error>,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(database).busy_timeout(PATIENCE);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let done = work(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        done
    })
}

/// Django's format, with few rounds.
pub(crate) fn hash(password: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let rounds = std::num::NonZeroU32::new(1000).unwrap();
    let mut digest = [0; 32];
    aws_lc_rs::pbkdf2::derive(
        aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        b"ThrowawaySalt012345678",
        password.as_bytes(),
        &mut digest,
    );
    format!("pbkdf2_sha256$1000$ThrowawaySalt012345678${}", STANDARD.encode(digest))
}

/// Below the range that outgoing connections take theirs from, and never twice in a process: the
/// gateway shares ports with itself, so a port taken twice would not be noticed.
pub(crate) fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let place = u16::try_from(std::process::id() % 20).unwrap();
        AtomicU16::new(10_000 + place * 500)
    });
    loop {
        let port = next.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A folder that goes with the value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-it.{}.{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
