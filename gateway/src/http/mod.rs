//! REST: one port for everything, one file a resource.
//!
//! [`routes`] is the whole tree; [`Frame`] is what every request goes through around it;
//! [`serve`] runs it per connection.

mod access;
mod cors;
pub mod extract;
mod frame;
mod rejection;
pub mod reply;
mod request_id;
mod route_label;
mod serve;

use std::sync::Arc;

use warp::{Filter, filters::BoxedFilter};

#[expect(unused_imports, reason = "the WebSocket door uses it")]
pub(crate) use access::claims_of;
pub use frame::Frame;
pub use serve::{Listening, Peer, serve};

use crate::app::Services;
use reply::Response;

/// Every route. What is called most comes first and shallow.
pub fn routes(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let clock = services.clock.clone();
    // Each resource is boxed: the type of the tree stays small and compiles fast.
    let tree = warp::any().and_then(|| async { Err::<Response, _>(warp::reject::not_found()) });
    tree.recover(move |rejection| {
        let now = clock.now();
        async move { Ok::<_, std::convert::Infallible>(rejection::respond(&rejection, now)) }
    })
    .unify()
    .boxed()
}
