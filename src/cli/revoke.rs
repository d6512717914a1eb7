//! `revoke`: ends the one credential that has leaked, whatever kind it is.

use anyhow::bail;

use crate::{
    account::Ended,
    package::{Site, print_line, say_heard, secret_from_stdin},
};

pub(super) async fn revoke(site: &Site<'_>) -> anyhow::Result<()> {
    let credential = secret_from_stdin("Credential: ")?;
    // It may have been found in a header or a log, with the word before it.
    let credential = credential.reveal().trim();
    let credential = credential.rsplit(' ').next().unwrap_or(credential);
    let mut unasked = Vec::new();
    for revoker in site.accounts.revokers() {
        match revoker.end(credential).await {
            Ok(Ended::Done(ended)) => {
                print_line!("{ended}");
                say_heard(site.db);
                return Ok(());
            }
            Ok(Ended::Impossible(why)) => bail!("{why}"),
            Ok(Ended::Unknown) => {}
            // A project has the tables of the packages that it uses.
            Err(error) => unasked.push(format!("{}: {error}", revoker.package())),
        }
    }
    match unasked.as_slice() {
        [] => bail!("no package of this gateway knows this credential"),
        causes => bail!("it was not found; not every table could be asked: {}", causes.join("; ")),
    }
}
