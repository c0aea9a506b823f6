//! JSON: `{driverId, sessionId?, timestamp?, data}` objects as `/api/telemetry` takes them, one a line, or all in one array.
//!
//! Times may also be numbers (seconds, milliseconds, microseconds or nanoseconds of the Unix epoch by their size, or seconds
//! since the recording began) and whatever else a table may write.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, BufRead},
};

use serde_json::Value;
use slipstream_engine::pipeline::fields::meant;
use slipstream_protocol::{Limits, ProtocolError, Sample, SignalValue, Timestamp, codec::Decoder};

use super::{
    Item, ReadOptions, Remark, Skipped, SourceError, Start,
    input::Now,
    json_map::mapped,
    json_names::repeats_a_name,
    json_values::{Text, Values},
    numbers::Style,
    records::{Lines, MAX_RECORD},
    steps::{Stepped, Steps},
    tally::{Origin, Tallies},
    text::{CONVERT, shown, unmarked},
    time::{self, Parsed, TimeForm},
    time_doubts::TimeDoubts,
    timeline::TimeLine,
    two_way_date::TwoWayDate,
};

/// Signal names that are remembered to name what may be meant.
const MAX_REMEMBERED: usize = 1_000;

enum Texts<R> {
    Lines(Lines<R>),
    Values(Values<R>),
}

impl<R: BufRead> Texts<R> {
    fn next(&mut self) -> io::Result<Option<Text>> {
        match self {
            Self::Lines(lines) => Ok(lines.next()?.map(|line| Text {
                line: line.number,
                bytes: line.bytes,
                flaw: line.too_long.then(|| format!("a line of more than {MAX_RECORD} bytes")),
            })),
            Self::Values(values) => values.next(),
        }
    }
}

/// Texts looked at before the order of day and month is decided, and the most bytes of them.
const AHEAD: usize = 1_000;
const MAX_AHEAD: usize = 4 << 20;

pub(super) struct JsonLines<R> {
    texts: Texts<R>,
    /// Texts that were looked at already, and the end or the error behind them.
    ahead: VecDeque<io::Result<Option<Text>>>,
    name: String,
    line: u64,
    decoder: Decoder,
    options: ReadOptions,
    timeline: TimeLine,
    /// Of times that no wire carries: clocks, durations, dates that may be two.
    plain_times: TimeLine,
    /// Times of the text that is read which count from the start already.
    placed: Vec<Timestamp>,
    doubts: TimeDoubts,
    now: Now,
    ready: VecDeque<Item>,
    found: BTreeSet<String>,
    others: BTreeSet<String>,
    tallies: Tallies,
    /// Whether there was any line that is not blank.
    any: bool,
}

impl<R: BufRead> JsonLines<R> {
    /// Looks whether the values are lines. Fails where the input does. Where objects come `live` none is waited for.
    pub(super) fn open(mut input: R, name: &str, options: &ReadOptions, now: Now, live: bool) -> io::Result<Stepped<Self>> {
        let texts = if are_lines(input.fill_buf()?) { Texts::Lines(Lines::new(input)) } else { Texts::Values(Values::new(input)) };
        let mut lines = Self {
            texts,
            ahead: VecDeque::new(),
            name: name.to_owned(),
            line: 0,
            decoder: Decoder::new(Limits::default()),
            options: options.clone(),
            timeline: TimeLine::new(options.start),
            plain_times: TimeLine::new(Start { moves_moments: false, ..options.start }),
            placed: Vec::new(),
            doubts: TimeDoubts::default(),
            now,
            ready: VecDeque::new(),
            found: BTreeSet::new(),
            others: BTreeSet::new(),
            tallies: Tallies::new(Style::told(options.decimal, options.thousands)),
            any: false,
        };
        if !live && options.time_format.is_none() {
            lines.look_ahead();
        }
        Ok(Stepped::of(lines))
    }

    /// Reads on while dates may begin with their day or their month, until one can be read in one way alone: it decides for all.
    fn look_ahead(&mut self) {
        let mut held = 0;
        while self.ahead.len() < AHEAD && held < MAX_AHEAD {
            let next = self.texts.next();
            let mut is_doubtful = false;
            if let Ok(Some(text)) = &next {
                held += text.bytes.len();
                let date = self.first_date(&text.bytes);
                is_doubtful = date.as_ref().is_some_and(|date| !self.plain_times.decide(date, text.line));
            }
            self.ahead.push_back(next);
            if !is_doubtful {
                return;
            }
        }
    }

    /// The time of a sample, where it is a date that may be two.
    fn first_date(&self, bytes: &[u8]) -> Option<TwoWayDate> {
        let bytes = unmarked(bytes).trim_ascii();
        let mapped = mapped(bytes, &self.options.map);
        let value: Value = serde_json::from_slice(mapped.as_deref().unwrap_or(bytes)).ok()?;
        let time = value.pointer("/batch/0/timestamp").or_else(|| value.get("timestamp"))?.as_str()?;
        match time::parse(time.trim(), None, TimeForm::Text) {
            Ok(Parsed::TwoWay(date)) => Some(date),
            _ => None,
        }
    }

    fn use_text(&mut self, text: &Text) {
        self.line = text.line;
        if let Some(flaw) = &text.flaw {
            self.any = true;
            self.skip(flaw);
            return;
        }
        let bytes = unmarked(&text.bytes).trim_ascii();
        if bytes.is_empty() {
            return;
        }
        self.any = true;
        self.placed.clear();
        let now = (self.now)();
        let mapped = mapped(bytes, &self.options.map);
        let bytes = mapped.as_deref().unwrap_or(bytes);
        let body = bytes::Bytes::copy_from_slice(bytes);
        let decoded = match self.decoder.decode_telemetry_body(&body, now) {
            // A time that no wire carries may be one that files do.
            Err(error) => self.with_plain_times(bytes).map_or(Err(error), |body| self.decoder.decode_telemetry_body(&body, now)),
            Ok(frame) if frame.refused.is_empty() => Ok(frame),
            Ok(frame) => match self.with_plain_times(bytes) {
                Some(body) => self.decoder.decode_telemetry_body(&body, now),
                None => Ok(frame),
            },
        };
        match decoded {
            Ok(frame) => {
                for refusal in frame.refused {
                    self.skip(&refusal.error.to_string());
                }
                for sample in frame.samples {
                    self.finish(sample);
                }
            }
            Err(error) => {
                let reason = reason(&error, bytes);
                self.skip(&reason);
            }
        }
    }

    /// The same object with its times as RFC 3339; `None` where none needs it.
    fn with_plain_times(&mut self, bytes: &[u8]) -> Option<bytes::Bytes> {
        // A value keeps the last of two fields of one name, and the sample was refused for having both.
        if repeats_a_name(bytes) {
            return None;
        }
        let mut value: Value = serde_json::from_slice(bytes).ok()?;
        let mut changed = false;
        let object = value.as_object_mut()?;
        let frames: Vec<&mut Value> =
            if object.contains_key("batch") { object.get_mut("batch")?.as_array_mut()?.iter_mut().collect() } else { vec![&mut value] };
        for frame in frames {
            let vehicle = ["driverId", "vehicleId"].iter().find_map(|key| frame.get(key)?.as_str()).unwrap_or_default().to_owned();
            let Some(time) = frame.get_mut("timestamp") else { continue };
            let parsed = match &*time {
                Value::Number(number) => number.as_f64().and_then(|n| time::of_number(n, TimeForm::Text)),
                Value::String(text) if text.parse::<Timestamp>().is_err() => {
                    let told = self.options.time_format.as_ref().and_then(|format| format.parse(text)).map(Parsed::Absolute);
                    told.or_else(|| time::parse(text.trim(), text.trim().parse().ok(), TimeForm::Text).ok())
                }
                _ => None,
            };
            let Some(parsed) = parsed else { continue };
            let cell = time.as_str().map_or_else(|| time.to_string(), str::to_owned);
            self.doubts.look(&parsed, self.line, || cell);
            let counts_from_start = matches!(parsed, Parsed::Relative(_) | Parsed::Clock(_));
            let Ok(moment) = self.plain_times.place(&vehicle, parsed, self.line) else { continue };
            if counts_from_start {
                self.placed.push(moment);
            }
            *time = Value::String(precise(moment));
            changed = true;
        }
        changed.then(|| value.to_string().into())
    }

    fn skip(&mut self, reason: &str) {
        self.ready.push_back(Item::Skipped(Skipped::new(self.line, reason)));
    }

    fn finish(&mut self, mut sample: Sample) {
        if let Some(vehicle) = &self.options.vehicle {
            sample.vehicle = vehicle.clone();
        }
        if let Some(session) = &self.options.session {
            sample.session = Some(session.clone());
        }
        if !self.options.signals.is_empty() {
            let (wanted, found, others) = (&self.options.signals, &mut self.found, &mut self.others);
            sample.signals.retain(|signal| {
                let is_wanted = wanted.iter().any(|name| **name == *signal.name);
                let seen = if is_wanted { &mut *found } else { &mut *others };
                if seen.len() < MAX_REMEMBERED && !seen.contains(&*signal.name) {
                    seen.insert(signal.name.to_string());
                }
                is_wanted
            });
            sample.raw = None;
            if sample.signals.is_empty() {
                return;
            }
        }
        for signal in &mut sample.signals {
            let value = std::mem::replace(&mut signal.value, SignalValue::Bool(false));
            let was_text = matches!(value, SignalValue::Text(_));
            signal.value = self.tallies.take_typed(Origin::Named, &signal.name, value, self.line);
            if was_text && !matches!(signal.value, SignalValue::Text(_)) {
                sample.raw = None;
            }
        }
        if !self.placed.contains(&sample.source_time) {
            match self.timeline.place(sample.vehicle.as_str(), Parsed::Absolute(sample.source_time), self.line) {
                Ok(time) => sample.source_time = time,
                Err(reason) => return self.skip(&reason),
            }
        }
        self.ready.push_back(Item::Sample(sample));
    }

    fn end(&mut self) {
        self.ready.extend(self.plain_times.remarks().chain(self.doubts.remark("timestamp")).map(Item::Remark));
        self.ready.extend(self.tallies.remarks().into_iter().map(Item::Remark));
        if !self.any {
            self.ready.push_back(Item::Remark(Remark::partial(0, "it holds no objects; nothing is read")));
        }
        let others: Vec<&str> = self.others.iter().map(String::as_str).collect();
        for missing in self.options.signals.iter().filter(|name| !self.found.contains(*name)) {
            let text = format!("there is no signal '{}' in the file{}", shown(missing), meant(missing, &others));
            self.ready.push_back(Item::Remark(Remark::partial(0, &text)));
        }
    }
}

/// Whether the file has one value a line. An array has them between its brackets, and a value that a line begins and does not
/// end goes on over the lines below.
fn are_lines(first: &[u8]) -> bool {
    let first = first.trim_ascii_start();
    if first.starts_with(b"[") {
        return false;
    }
    let Some(end) = memchr::memchr2(b'\n', b'\r', first) else { return true };
    let opens = matches!(first[..end].trim_ascii_end().last(), Some(b'{' | b'[' | b','));
    let next = first[end..].trim_ascii_start().first();
    !opens || next.is_none_or(|b| *b == b'{')
}

/// With all six digits of the fraction.
fn precise(time: Timestamp) -> String {
    let millis = time.to_string();
    format!("{}{:03}Z", millis.trim_end_matches('Z'), time.micros().rem_euclid(1_000))
}

/// Why a value is none that can be used, in words for whoever wrote the file.
fn reason(error: &ProtocolError, bytes: &[u8]) -> String {
    if let Err(error) = std::str::from_utf8(bytes) {
        return format!("byte {} is not UTF-8; {CONVERT}", error.valid_up_to() + 1);
    }
    match bytes.first() {
        Some(b'{') => error.to_string(),
        _ => format!("an object with driverId and data is expected, this begins with '{}'", shown(&String::from_utf8_lossy(bytes))),
    }
}

impl<R: BufRead> Steps for JsonLines<R> {
    type Error = SourceError;

    fn ready(&mut self) -> &mut VecDeque<Item> {
        &mut self.ready
    }

    fn step(&mut self) -> Result<bool, SourceError> {
        let text = self.ahead.pop_front().unwrap_or_else(|| self.texts.next());
        let text = text.map_err(|e| SourceError::Read { name: self.name.clone(), reason: e.to_string() })?;
        match &text {
            Some(text) => self.use_text(text),
            None => self.end(),
        }
        Ok(text.is_some())
    }
}

#[cfg(test)]
mod tests;
