//! `InfluxDB` 2, and whatever speaks its write API: read through the `influxdb2` crate.
//!
//! Written is without it: the crate does not tell what headers an answer has, and `Retry-After` is to be
//! heeded. Its client has no deadlines: every call is given one here.
//! Points are read with Flux, which `VictoriaMetrics` does not speak: there writing works and reading
//! is refused with a message that says so.

mod flux;

use std::{future::Future, time::Duration};

use influxdb2::{Client, ClientBuilder, RequestError, models::Query};
use reqwest::{Url, header};
use slipstream_ports::{PortFuture, SeriesAnswer, SeriesError, SeriesQuery, SeriesStore, WriteReport};
use slipstream_protocol::{Sample, VehicleId};

use super::{
    delivery::{self, Post, REQUEST_DEADLINE, Reply},
    directions::{self, Asked},
    line_protocol::{Lines, Precision},
    point,
};
use crate::{
    config::{Influx2, Secret},
    trust,
};

/// What metrics and logs call it.
const NAME: &str = "influxdb2";

/// Time series on an `InfluxDB` 2 server. The bucket must exist.
#[derive(Clone, Debug)]
pub struct InfluxDb2Series {
    client: Client,
    bucket: String,
    /// Writes go here.
    write: Url,
    writer: reqwest::Client,
    authorization: Option<Secret>,
}

impl InfluxDb2Series {
    /// Speaks to the server at `url`, which need not be up yet.
    pub fn new(url: &str, config: &Influx2) -> Result<Self, SeriesError> {
        // The crate panics on what is not an address.
        let mut write = Url::parse(url).map_err(|e| refused(format!("'{url}' is not an address: {e}")))?;
        // Behind a proxy the server may live below a path.
        write.set_path(&format!("{}/api/v2/write", write.path().trim_end_matches('/')));
        write.query_pairs_mut().extend_pairs([("bucket", config.bucket.as_str()), ("org", &config.org), ("precision", "ns")]);
        let token = config.token.as_ref().map_or("", Secret::expose);
        let client = ClientBuilder::new(url, &config.org, token).gzip(true).build().map_err(|e| refused(super::chain(&e)))?;
        let writer = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(REQUEST_DEADLINE)
            .use_preconfigured_tls((*trust::client_config()).clone())
            .build()
            .map_err(|e| refused(format!("no HTTP client: {e}")))?;
        let authorization = config.token.as_ref().map(|token| Secret::new(format!("Token {}", token.expose())));
        Ok(Self { client, bucket: config.bucket.clone(), write, writer, authorization })
    }

    async fn ask(&self, flux: String) -> Result<Vec<influxdb2::api::query::FluxRecord>, SeriesError> {
        // Not `query` or `query_raw`: those panic where the connection breaks within the answer.
        let answer = match within_deadline(self.client.query_raw_iter(Some(Query::new(flux)))).await? {
            Ok(answer) => answer,
            Err(RequestError::Http { status, text }) if status.as_u16() == 404 || text.contains("unsupported path") => {
                let reason = "it has no Flux queries at /api/v2/query; points are written, and must be read with the server's own tools";
                return Err(refused(reason.to_owned()));
            }
            Err(error) => return Err(failed(&error)),
        };
        flux::records(&answer).map_err(|e| failed(&e))
    }
}

impl Post for InfluxDb2Series {
    fn store(&self) -> &'static str {
        NAME
    }

    async fn post(&self, lines: &[u8]) -> Result<Reply, SeriesError> {
        let mut request = self.writer.post(self.write.clone()).header(header::CONTENT_ENCODING, "gzip").body(delivery::gzip(lines));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.expose());
        }
        Reply::to(request).await.map_err(|e| SeriesError::Unavailable { store: NAME, reason: super::chain(&e), retry_after: None })
    }
}

impl Asked for InfluxDb2Series {
    fn ask_series<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(async move {
            if query.from >= query.to {
                return Ok(SeriesAnswer::default());
            }
            let records = self.ask(flux::select(&self.bucket, query)).await?;
            Ok(flux::answer(&records, query))
        })
    }
}

impl SeriesStore for InfluxDb2Series {
    fn name(&self) -> &'static str {
        NAME
    }

    fn write<'a>(&'a self, samples: &'a [Sample]) -> PortFuture<'a, Result<WriteReport, SeriesError>> {
        Box::pin(async move {
            let mut report = WriteReport::default();
            let lines = Lines::of(&point::points(samples, &mut report), Precision::Nanos);
            delivery::deliver(self, &lines, &mut report).await?;
            Ok(report)
        })
    }

    fn query<'a>(&'a self, query: &'a SeriesQuery) -> PortFuture<'a, Result<SeriesAnswer, SeriesError>> {
        Box::pin(directions::answer(self, query))
    }

    fn vehicles(&self) -> PortFuture<'_, Result<Vec<VehicleId>, SeriesError>> {
        Box::pin(async move { Ok(flux::vehicles(&self.ask(flux::show_vehicles(&self.bucket)).await?)) })
    }

    fn ping(&self) -> PortFuture<'_, Result<(), SeriesError>> {
        Box::pin(async move {
            // Any answer will do: VictoriaMetrics has the path, with another body than InfluxDB.
            match within_deadline(self.client.health()).await? {
                Err(RequestError::Http { status, text }) => {
                    Err(delivery::failure(NAME, &Reply { status: status.as_u16(), body: text, retry_after: None }))
                }
                Err(RequestError::ReqwestProcessing { source }) if !source.is_decode() => {
                    Err(failed(&RequestError::ReqwestProcessing { source }))
                }
                _ => Ok(()),
            }
        })
    }
}

async fn within_deadline<T>(call: impl Future<Output = T>) -> Result<T, SeriesError> {
    tokio::time::timeout(REQUEST_DEADLINE, call).await.map_err(|_| SeriesError::Unavailable {
        store: NAME,
        reason: format!("no answer within {} s", REQUEST_DEADLINE.as_secs()),
        retry_after: None,
    })
}

fn failed(error: &RequestError) -> SeriesError {
    match error {
        RequestError::Http { status, text } => {
            delivery::failure(NAME, &Reply { status: status.as_u16(), body: text.clone(), retry_after: None })
        }
        RequestError::ReqwestProcessing { .. } => SeriesError::Unavailable { store: NAME, reason: super::chain(error), retry_after: None },
        RequestError::Serializing { .. } | RequestError::Deserializing { .. } => refused(super::chain(error)),
    }
}

fn refused(reason: String) -> SeriesError {
    SeriesError::Refused { store: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Answers one request with `body`.
    async fn answered_by(body: &'static str) -> Result<Vec<VehicleId>, SeriesError> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
        });
        InfluxDb2Series::new(&url, &Influx2::default()).unwrap().vehicles().await
    }

    #[tokio::test]
    async fn an_answer_that_makes_no_sense_is_an_error_and_no_panic() {
        let sane = "#datatype,string,string\r\n#group,false,false\r\n#default,_result,\r\n,result,_value\r\n,,car\r\n\r\n";
        assert_eq!(answered_by(sane).await.unwrap(), [VehicleId::new("car").unwrap()]);
        let number = "#datatype,string,long\r\n#group,false,false\r\n#default,_result,\r\n,result,_value\r\n,,x\r\n\r\n";
        let error = answered_by(number).await.unwrap_err();
        assert!(error.to_string().contains("annotated CSV"), "{error}");
    }
}
