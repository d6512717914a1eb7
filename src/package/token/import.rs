//! What `init` carries over of what projects hang on DRF's tokens.

use crate::package::{Holder, ImportedSettings, Importer};

pub(super) const SETTINGS: ImportedSettings = ImportedSettings {
    // Neither is a setting of Django's: the script finds out.
    holder: Holder::Project { more: &[] },
    map: "token",
    keys: None,
    table: &[],
    more: Some(tokens),
};

fn tokens(importer: &mut Importer<'_>) {
    if importer.settings.is_true("TOKENS_FOR_NEW_USERS") {
        importer.entries.push("create_for_new_users: true".into());
    }
    if let Some(fields) = importer.settings.get("TOKEN_FIELDS").filter(|fields| !fields.is_null()) {
        importer.entries.push(format!("fields: {fields}"));
    }
}
