//! REST: one port for everything, one file a resource.
//!
//! [`routes`] is the whole tree; [`Frame`] is what every request goes through around it;
//! [`serve`] runs it per connection.

mod access;
mod alarms;
mod asyncapi;
mod channels;
mod cors;
mod docs;
mod drivers;
pub mod extract;
mod feedback;
mod fields;
mod frame;
mod health;
mod keys;
mod metrics;
mod openapi;
mod operations;
mod paging;
mod pipelines;
mod rejection;
mod replays;
pub mod reply;
mod request_id;
mod rl;
mod route_label;
mod series_query;
mod serve;
mod sessions;
mod telemetry;
mod tracks;
mod users;
mod vehicles;
mod video;
mod voice;
mod what_ifs;

use std::sync::Arc;

use warp::{Filter, filters::BoxedFilter};

pub(crate) use access::refused;
pub(crate) use cors::{allow as allow_origin, allowed_origin};
pub use frame::Frame;
pub(crate) use health::Health;
pub use serve::{Listening, Peer, serve};
pub(crate) use video::video_frame;

use crate::{app::Services, console, ws};
use reply::Response;

/// Every route. What is called most comes first and shallow.
pub fn routes(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let clock = services.clock.clone();
    let tree = telemetry::post(services).or(engine(services)).unify().or(pitbox(services)).unify().or(page()).unify();
    tree.recover(move |rejection| {
        let now = clock.now();
        async move { Ok::<_, std::convert::Infallible>(rejection::respond(&rejection, now)) }
    })
    .unify()
    .boxed()
}

/// What the engine itself takes and tells. Boxed, as the others: the type of the tree stays small and compiles fast.
fn engine(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let doors = ws::routes(services).or(telemetry::get(services)).unify().boxed();
    let views = vehicles::routes(services).or(channels::routes(services)).unify().or(pipelines::routes(services)).unify().boxed();
    let views = views.or(alarms::routes(services)).unify().boxed();
    let told = health::routes(services).or(metrics::routes(services)).unify().boxed();
    doors.or(views).unify().or(told).unify().or(docs::routes(services)).unify().boxed()
}

/// The live page.
fn page() -> BoxedFilter<(Response,)> {
    console::routes().map(warp::Reply::into_response).boxed()
}

/// The resources of the relational store, and what is seen and said.
fn pitbox(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let most_called = video::routes(services).or(sessions::routes(services)).unify().boxed();
    let people = users::routes(services).or(drivers::routes(services)).unify().or(keys::routes(services)).unify().boxed();
    let others = feedback::routes(services)
        .or(voice::routes(services))
        .unify()
        .or(replays::routes(services))
        .unify()
        .or(tracks::routes(services))
        .unify()
        .or(what_ifs::routes(services))
        .unify()
        .boxed();
    most_called.or(others).unify().boxed().or(rl::routes(services)).unify().boxed().or(people).unify().boxed()
}
