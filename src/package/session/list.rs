//! All sessions, for operators.

use super::{
    rows::{self, Row},
    sessions::{ROWS, Sessions, USER},
};
use crate::{
    clock::Timestamp,
    crypto::{digest::sha256, signing},
    store::Unavailable,
};

/// A session as a list shows it.
#[derive(Debug)]
pub struct Listed {
    /// Names it without being its key.
    pub id: String,
    /// The primary key of the user who is logged in, as text.
    pub user: Option<Box<str>>,
    /// When it ends.
    pub expires: Timestamp,
}

impl Sessions {
    /// All sessions that have not expired, each told to `seen`.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn list(&self, mut seen: impl FnMut(Listed)) -> Result<(), Unavailable> {
        let mut after = String::new();
        while let Some(page) = self.page(&mut after).await? {
            page.iter().for_each(|(key, row)| seen(self.listed(key, row)));
        }
        Ok(())
    }

    /// Ends the sessions that `which` chooses, as [`Self::list`] shows them; how many there were.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn end_matching(
        &self,
        which: impl Fn(&Listed) -> bool + Send,
    ) -> Result<u64, Unavailable> {
        let (mut after, mut ended) = (String::new(), 0);
        while let Some(page) = self.page(&mut after).await? {
            for (key, row) in page {
                if which(&self.listed(&key, &row)) && rows::delete(&self.db, &key).await? {
                    ended += 1;
                }
            }
        }
        Ok(ended)
    }

    /// The sessions that stand after a key, some of them; none if there are no more.
    async fn page(&self, after: &mut String) -> Result<Option<Vec<(String, Row)>>, Unavailable> {
        let rows = rows::after(&self.db, after, self.clock.now()).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        after.clone_from(last);
        Ok(Some(rows))
    }

    fn listed(&self, key: &str, row: &Row) -> Listed {
        let mut id = hex::encode(sha256(key.as_bytes()));
        id.truncate(16);
        let data = signing::loads(&row.data, ROWS, &self.secrets).map(|(data, _)| data);
        let user = data.as_ref().and_then(|data| data.get(USER)?.as_str()).map(Into::into);
        Listed { id, user, expires: row.expires }
    }
}
