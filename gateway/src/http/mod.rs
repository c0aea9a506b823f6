//! REST: one port for everything, one file a resource.
//!
//! [`routes`] is the whole tree; [`Frame`] is what every request goes through around it;
//! [`serve`] runs it per connection.

mod access;
mod alarms;
mod asyncapi;
mod bodies;
mod channels;
mod connection;
mod content_encoding;
mod cors;
mod docs;
mod drivers;
pub mod extract;
mod feedback;
mod field_schema;
mod fields;
mod frame;
mod health;
mod invites;
mod keys;
mod metrics;
mod names;
mod negotiate;
mod openapi;
mod operation;
mod paging;
mod pipelines;
mod registration;
mod replays;
pub mod reply;
mod request_id;
#[cfg(test)]
mod rights;
mod rl;
mod route_label;
mod routing;
mod series_query;
mod serve;
mod sessions;
mod site;
mod telemetry;
mod tokens;
mod tracks;
mod users;
mod vehicles;
mod video;
mod voice;
mod what_ifs;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, Method};
use hyper::upgrade::OnUpgrade;
use slipstream_protocol::{ErrorCode, token::Claims};
use warp::{Filter, filters::BoxedFilter, path::FullPath};

pub(crate) use access::refused;
pub(crate) use bodies::{Bodies, Sender, collect};
pub(crate) use connection::{AddressPlace, AnyBody, DoorStream, OpenConnection, OpenConnections, PerAddress, boxed};
pub use cors::RefusedOrigins;
pub(crate) use cors::{PageOrigin, allow as allow_origin};
pub use frame::Frame;
pub(crate) use frame::panic_text;
pub(crate) use health::Health;
pub(crate) use negotiate::takes_gzip;
pub(crate) use routing::{Origin, Route, RoutedRequest};
pub use serve::{Listening, Peer, serve};
pub(crate) use video::video_frame;

use crate::{app::Services, console, rate::ClientAddress, ws};
use operation::Operation;
use reply::{ApiError, Response};
use routing::{Parts, Routes};

/// The operations of every resource, each listed in the resource's own file, in the order that documents show them.
const RESOURCES: [&[Operation]; 25] = [
    health::OPERATIONS,
    metrics::OPERATIONS,
    docs::OPERATIONS,
    telemetry::OPERATIONS,
    vehicles::OPERATIONS,
    channels::OPERATIONS,
    pipelines::OPERATIONS,
    alarms::OPERATIONS,
    video::OPERATIONS,
    feedback::OPERATIONS,
    voice::OPERATIONS,
    sessions::OPERATIONS,
    registration::OPERATIONS,
    invites::OPERATIONS,
    tokens::OPERATIONS,
    users::OPERATIONS,
    keys::OPERATIONS,
    replays::OPERATIONS,
    what_ifs::OPERATIONS,
    drivers::OPERATIONS,
    tracks::OPERATIONS,
    rl::BUS,
    rl::AGENTS,
    rl::TRAININGS,
    rl::EVALUATIONS,
];

/// Pages, their files, and the doors of other protocols.
const PAGES: [&[Route]; 4] = [docs::PAGES, ws::ROUTES, console::PAGES, console::FILES];

/// Every operation there is.
fn operations() -> impl Iterator<Item = &'static Operation> {
    RESOURCES.into_iter().flatten()
}

/// The table of routes, compiled on first use.
fn compiled() -> &'static Routes {
    static COMPILED: LazyLock<Routes> = LazyLock::new(|| Routes::of(operations(), PAGES.into_iter().flatten()));
    &COMPILED
}

/// Every route, as one filter: the table says what is where.
pub fn routes(services: &Arc<Services>) -> BoxedFilter<(Response,)> {
    let (services, clock) = (services.clone(), services.clock.clone());
    let origin = warp::ext::optional::<ClientAddress>()
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .map(|address: Option<ClientAddress>, peer, upgrade| Origin { address: address.unwrap_or_default(), peer, upgrade });
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let parts = warp::ext::optional::<Arc<Claims>>()
        .and(origin)
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::bytes())
        .map(|claims, origin, query, headers: HeaderMap, body: Bytes| Parts { claims, origin, query, headers, body });
    warp::method()
        .and(warp::path::full())
        .and(parts)
        .then(move |method: Method, path: FullPath, parts| {
            let services = services.clone();
            async move { compiled().answer(services, method, path.as_str(), parts).await }
        })
        .recover(move |rejection: warp::Rejection| {
            // The frame has read the body whole, and nothing else above refuses.
            tracing::error!(?rejection, "a request could not be taken apart");
            let now = clock.now();
            async move {
                Ok::<_, std::convert::Infallible>(reply::fail(now, ApiError::new(ErrorCode::Internal, "the request could not be handled")))
            }
        })
        .unify()
        .boxed()
}
