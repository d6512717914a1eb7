//! What a page of the gateway's own is made of: answers, the views and serializers of Django REST
//! framework, Python's JSON, and where a browser may be sent.

pub mod answer;
mod charset;
mod field;
pub mod json;
pub mod redirect_target;
mod view;

pub use self::{
    field::{Field, Fields, Kind},
    redirect_target::is_local,
    view::{BODY_LIMIT, BODY_TIME, View, parse},
};
