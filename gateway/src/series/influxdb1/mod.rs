//! `InfluxDB` 1.x: line protocol to `/write`, gzipped; `InfluxQL` from `/query`.

mod influxql;

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, Url, header};
use slipstream_ports::{PortFuture, SeriesAnswer, SeriesError, SeriesQuery, SeriesStore, WriteReport};
use slipstream_protocol::{Sample, VehicleId};

use super::{
    delivery::{self, Post, REQUEST_DEADLINE, Reply},
    directions::{self, Asked},
    line_protocol::{Lines, Precision},
    point,
};
use crate::{
    config::{Influx1, Secret},
    trust,
};
use influxql::Results;

/// What metrics and logs call it.
const NAME: &str = "influxdb1";

/// Time series on an `InfluxDB` 1.x server. The database is made with the first write where it is missing.
#[derive(Clone, Debug)]
pub struct InfluxDb1Series {
    client: Client,
    base: Url,
    database: String,
    user: Option<String>,
    password: Option<Secret>,
}

impl InfluxDb1Series {
    /// Speaks to the server at `url`, which need not be up yet.
    pub fn new(url: &str, config: &Influx1) -> Result<Self, SeriesError> {
        let base = Url::parse(url).map_err(|e| refused(format!("'{url}' is not an address: {e}")))?;
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(REQUEST_DEADLINE)
            .use_preconfigured_tls((*trust::client_config()).clone())
            .build()
            .map_err(|e| refused(format!("no HTTP client: {e}")))?;
        Ok(Self { client, base, database: config.db.clone(), user: config.user.clone(), password: config.password.clone() })
    }

    fn url(&self, path: &str, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        // Behind a proxy the server may live below a path.
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.query_pairs_mut().extend_pairs(parameters);
        url
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Reply, SeriesError> {
        if let Some(user) = &self.user {
            request = request.basic_auth(user, self.password.as_ref().map(Secret::expose));
        }
        Reply::to(request).await.map_err(|e| unavailable(&e))
    }

    async fn ask(&self, statement: &str) -> Result<Results, SeriesError> {
        let url = self.url("/query", &[("db", &self.database), ("epoch", "u")]);
        // Posted as a form: a list of signals may be longer than an address may be.
        let reply = self.send(self.client.post(url).form(&[("q", statement)])).await?;
        // 400 holds results too: their message is better than the status.
        if reply.status != 200 && reply.status != 400 {
            return Err(delivery::failure(NAME, &reply));
        }
        Results::parse(&reply.body).map_err(refused)
    }

    async fn create_database(&self) -> Result<(), SeriesError> {
        self.ask(&format!("CREATE DATABASE {}", influxql::identifier(&self.database))).await.map(|_| ())
    }

    async fn write_lines(&self, body: Vec<u8>) -> Result<Reply, SeriesError> {
        let url = self.url("/write", &[("db", &self.database), ("precision", "u")]);
        self.send(self.client.post(url).header(header::CONTENT_ENCODING, "gzip").body(body)).await
    }
}

impl Post for InfluxDb1Series {
    fn store(&self) -> &'static str {
        NAME
    }

    async fn post(&self, lines: &[u8]) -> Result<Reply, SeriesError> {
        let body = delivery::gzip(lines);
        let reply = self.write_lines(body.clone()).await?;
        if reply.status == StatusCode::NOT_FOUND && reply.body.contains("database not found") {
            self.create_database().await?;
            return self.write_lines(body).await;
        }
        Ok(reply)
    }
}

impl Asked for InfluxDb1Series {
    fn ask_series<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(async move {
            if query.from >= query.to {
                return Ok(SeriesAnswer::default());
            }
            let results = self.ask(&influxql::select(query)).await?;
            results.answer(query).map_err(refused)
        })
    }
}

impl SeriesStore for InfluxDb1Series {
    fn name(&self) -> &'static str {
        NAME
    }

    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>> {
        Box::pin(async move {
            let mut report = WriteReport::default();
            let lines = Lines::of(&point::points(samples, &mut report), Precision::Micros);
            delivery::deliver(self, &lines, &mut report).await?;
            Ok(report)
        })
    }

    fn query<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(directions::answer(self, query))
    }

    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>> {
        Box::pin(async move { Ok(self.ask(&influxql::show_vehicles()).await?.vehicles()) })
    }

    fn ping(&self) -> PortFuture<'_, Result<(), SeriesError>> {
        Box::pin(async move {
            let reply = self.send(self.client.get(self.url("/ping", &[]))).await?;
            if (200..300).contains(&reply.status) { Ok(()) } else { Err(delivery::failure(NAME, &reply)) }
        })
    }
}

/// What an answer's body says, where no server is asked.
#[cfg(any(test, fuzzing))]
pub(super) fn read_answer(body: &str, query: &SeriesQuery) -> Result<SeriesAnswer, String> {
    Results::parse(body)?.answer(query)
}

/// As [`read_answer`], of the question which vehicles there are.
#[cfg(any(test, fuzzing))]
pub(super) fn read_vehicles(body: &str) -> Result<Vec<VehicleId>, String> {
    Ok(Results::parse(body)?.vehicles())
}

fn refused(reason: String) -> SeriesError {
    SeriesError::Refused { store: NAME, reason }
}

fn unavailable(error: &reqwest::Error) -> SeriesError {
    SeriesError::Unavailable { store: NAME, reason: super::chain(error), retry_after: None }
}
