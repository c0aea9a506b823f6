//! REST: one port for everything, one file a resource.
//!
//! [`routes`] is the whole tree; [`Frame`] is what every request goes through around it;
//! [`serve`] runs it per connection.

mod access;
mod cors;
mod drivers;
pub mod extract;
mod feedback;
mod fields;
mod frame;
mod keys;
mod paging;
mod rejection;
pub mod reply;
mod request_id;
mod route_label;
mod serve;
mod sessions;
mod tracks;
mod users;
mod video;
mod voice;

use std::sync::Arc;

use warp::{Filter, filters::BoxedFilter};

#[expect(unused_imports, reason = "the WebSocket door uses it")]
pub(crate) use access::claims_of;
pub use frame::Frame;
pub use serve::{Listening, Peer, serve};
#[expect(unused_imports, reason = "the WebSocket door uses it")]
pub(crate) use video::video_frame;

use crate::app::Services;
use reply::Response;

/// Every route. What is called most comes first and shallow.
pub fn routes(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let clock = services.clock.clone();
    // Each resource is boxed: the type of the tree stays small and compiles fast.
    let tree = pitbox(services);
    tree.recover(move |rejection| {
        let now = clock.now();
        async move { Ok::<_, std::convert::Infallible>(rejection::respond(&rejection, now)) }
    })
    .unify()
    .boxed()
}

/// The resources of the relational store, and what is seen and said.
fn pitbox(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let most_called = video::routes(services).or(sessions::routes(services)).unify().boxed();
    let people = users::routes(services).or(drivers::routes(services)).unify().or(keys::routes(services)).unify().boxed();
    let others = feedback::routes(services).or(voice::routes(services)).unify().or(tracks::routes(services)).unify().boxed();
    most_called.or(others).unify().boxed().or(people).unify().boxed()
}
