//! JSON lines: one `{driverId, sessionId?, timestamp?, data}` object a line, as `/api/telemetry` takes it.

use std::{collections::VecDeque, io::BufRead, sync::Arc};

use slipstream_protocol::{Limits, Sample, codec::Decoder};

use super::{
    Item, ReadOptions, Skipped, SourceError,
    time::{Parsed, TimeLine},
};
use crate::relay::source::open::Now;

/// Lines longer than this are skipped, not kept.
const MAX_LINE: usize = 8 << 20;

pub(super) struct JsonLines<R> {
    input: R,
    name: String,
    line: u64,
    decoder: Decoder,
    options: ReadOptions,
    timeline: TimeLine,
    now: Now,
    ready: VecDeque<Item>,
    buffer: Vec<u8>,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(input: R, name: &str, options: &ReadOptions, now: Now) -> Self {
        Self {
            input,
            name: name.to_owned(),
            line: 0,
            decoder: Decoder::new(Limits::default()),
            options: options.clone(),
            timeline: TimeLine::new(options.start),
            now,
            ready: VecDeque::new(),
            buffer: Vec::new(),
        }
    }

    /// Reads one line into the buffer; false at the end.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.buffer.clear();
        let mut any = false;
        loop {
            let part = self.input.fill_buf()?;
            if part.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = part.iter().position(|b| *b == b'\n');
            let take = end.map_or(part.len(), |e| e + 1);
            // One byte over the bound is kept so that the line is seen to be too long.
            let keep = take.min((MAX_LINE + 1).saturating_sub(self.buffer.len()));
            self.buffer.extend_from_slice(&part[..keep]);
            self.input.consume(take);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn use_line(&mut self) {
        self.line += 1;
        let text = self.buffer.trim_ascii();
        if text.is_empty() {
            return;
        }
        if text.len() > MAX_LINE {
            self.skip(format!("a line of more than {MAX_LINE} bytes"));
            return;
        }
        let body = bytes::Bytes::copy_from_slice(text);
        match self.decoder.decode_telemetry_body(&body, (self.now)()) {
            Ok(frame) => {
                for refusal in frame.refused {
                    self.skip(refusal.error.to_string());
                }
                for sample in frame.samples {
                    let sample = self.finish(sample);
                    self.ready.push_back(Item::Sample(sample));
                }
            }
            Err(error) => self.skip(error.to_string()),
        }
    }

    fn skip(&mut self, reason: String) {
        self.ready.push_back(Item::Skipped(Skipped { line: self.line, reason }));
    }

    fn finish(&mut self, mut sample: Sample) -> Sample {
        if let Some(vehicle) = &self.options.vehicle {
            sample.vehicle = vehicle.clone();
        }
        if let Some(session) = &self.options.session {
            sample.session = Some(session.clone());
        }
        if !self.options.signals.is_empty() {
            sample.signals.retain(|s| self.options.signals.iter().any(|name| Arc::from(name.as_str()) == s.name));
            sample.raw = None;
        }
        sample.source_time = self.timeline.place(Parsed::Absolute(sample.source_time));
        sample
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            match self.read_line() {
                Ok(true) => self.use_line(),
                Ok(false) => return None,
                Err(error) => return Some(Err(SourceError::Read { name: self.name.clone(), reason: error.to_string() })),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::drain;
    use super::*;
    use crate::relay::source::Start;
    use slipstream_protocol::{SessionId, Timestamp};

    #[test]
    fn good_lines_become_samples_and_bad_ones_are_told() {
        let now = Timestamp::from_secs_f64(1.7e9);
        let options =
            ReadOptions { session: Some(SessionId::new("q1").unwrap()), ..ReadOptions::new(Start::Relative(Timestamp::default())) };
        let text = "{\"driverId\":\"a\",\"timestamp\":\"2023-07-17T12:34:56Z\",\"data\":{\"v\":1,\"g\":[0.1,2]}}\n\
            not json\n\n{\"vehicleId\":\"b\",\"data\":{\"v\":2}}\n{\"data\":{}}\n";
        let (samples, skipped) = drain(JsonLines::new(text.as_bytes(), "x", &options, Box::new(move || now)));
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].number("g.1"), Some(2.0));
        assert_eq!(samples[0].session.as_deref(), Some("q1"));
        assert_eq!(samples[1].source_time, now, "without a time it is now");
        assert_eq!(skipped.iter().map(|s| s.line).collect::<Vec<_>>(), [2, 5]);
    }
}
