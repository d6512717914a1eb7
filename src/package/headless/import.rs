//! What `init` carries over of django-allauth's headless API.

use crate::package::{
    Holder, Import, ImportedSettings, Importer, Keys, SchemeClass, Setting, import::write::quoted,
};

pub(super) const IMPORT: Import = Import {
    schemes: &[SchemeClass {
        sets_auth: true,
        unless: &["HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED"],
        lenient: Some("passes_on"),
        ..SchemeClass::new(JWT, "headless_jwt")
    }],
    settings: &[ImportedSettings {
        holder: Holder::Project { more: &[] },
        map: "headless",
        table: TABLE,
        keys: Some(Keys { names: &[KEY], algorithm: "HEADLESS_JWT_ALGORITHM", usual: "RS256" }),
        more: Some(verifying_key),
    }],
    ..Import::NONE
};

const JWT: &str = "allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication";
const KEY: &str = "HEADLESS_JWT_PRIVATE_KEY";

const TABLE: &[Setting] = &[
    ("HEADLESS_JWT_ALGORITHM", "jwt_algorithm", quoted, "\"RS256\""),
    ("HEADLESS_JWT_AUTHORIZATION_HEADER_SCHEME", "jwt_keyword", quoted, "\"Bearer\""),
];

fn verifying_key(importer: &mut Importer<'_>) {
    if !importer.has_class(JWT) {
        importer.entries.clear();
        return;
    }
    if let Some(public) = importer.settings.get(KEY).and_then(|key| key.get("public")) {
        importer.entries.push(format!("jwt_verifying_key: {public}"));
    } else if importer.settings.is_own_key(KEY) {
        let key = importer.variable(KEY, KEY);
        importer.entries.push(format!("jwt_verifying_key: {key}"));
    }
}
