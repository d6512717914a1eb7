#![doc = include_str!("README.md")]

pub mod crypto;
pub mod header;
pub mod mac;
mod scheme;
pub mod target;
#[cfg(test)]
mod vectors;

use super::{Descriptor, Import, SchemeClass, SchemeKind};

/// hawkrest.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<scheme::Config>("hawk")],
    import: Import {
        schemes: &[SchemeClass {
            note: Some("its clients' keys are not told: list them in `keys` of `hawk`"),
            ..SchemeClass::new("hawkrest.HawkAuthentication", "hawk")
        }],
        ..Import::NONE
    },
    ..Descriptor::new("hawk", include_str!("README.md"))
};
