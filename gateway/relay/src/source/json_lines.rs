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

pub(super) struct JsonLines<R> {
    texts: Texts<R>,
    name: String,
    line: u64,
    decoder: Decoder,
    options: ReadOptions,
    timeline: TimeLine,
    /// Of times that no wire carries: clocks, durations, dates that may be two.
    plain_times: TimeLine,
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
    /// Looks whether the values are lines. Fails where the input does.
    pub(super) fn open(mut input: R, name: &str, options: &ReadOptions, now: Now) -> io::Result<Stepped<Self>> {
        let texts = if are_lines(input.fill_buf()?) { Texts::Lines(Lines::new(input)) } else { Texts::Values(Values::new(input)) };
        Ok(Stepped::of(Self {
            texts,
            name: name.to_owned(),
            line: 0,
            decoder: Decoder::new(Limits::default()),
            options: options.clone(),
            timeline: TimeLine::new(options.start),
            plain_times: TimeLine::new(Start::at(options.start.at)),
            doubts: TimeDoubts::default(),
            now,
            ready: VecDeque::new(),
            found: BTreeSet::new(),
            others: BTreeSet::new(),
            tallies: Tallies::new(Style::told(options.decimal, options.thousands)),
            any: false,
        }))
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
            let Ok(moment) = self.plain_times.place(&vehicle, parsed, self.line) else { continue };
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
        match self.timeline.place(sample.vehicle.as_str(), Parsed::Absolute(sample.source_time), self.line) {
            Ok(time) => sample.source_time = time,
            Err(reason) => return self.skip(&reason),
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
        let text = self.texts.next().map_err(|e| SourceError::Read { name: self.name.clone(), reason: e.to_string() })?;
        match &text {
            Some(text) => self.use_text(text),
            None => self.end(),
        }
        Ok(text.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{drain, drain_all};
    use super::*;
    use slipstream_protocol::SessionId;

    #[test]
    fn good_lines_become_samples_and_bad_ones_are_told() {
        let now = Timestamp::from_secs_f64(1.7e9);
        let options = ReadOptions { session: Some(SessionId::new("q1").unwrap()), ..ReadOptions::new(Start::at(Timestamp::default())) };
        let text = "{\"driverId\":\"a\",\"timestamp\":\"2023-07-17T12:34:56Z\",\"data\":{\"v\":1,\"g\":[0.1,2]}}\n\
            not json\n\n{\"vehicleId\":\"b\",\"data\":{\"v\":2}}\n{\"data\":{}}\n";
        let (samples, skipped) = drain(JsonLines::open(text.as_bytes(), "x", &options, Box::new(move || now)).unwrap());
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].number("g.1"), Some(2.0));
        assert_eq!(samples[0].session.as_deref(), Some("q1"));
        assert_eq!(samples[1].source_time, now, "without a time it is now");
        assert_eq!(skipped.iter().map(|s| s.line).collect::<Vec<_>>(), [2, 5]);
    }

    fn read(text: &str) -> (Vec<Sample>, Vec<Skipped>) {
        let options = ReadOptions::new(Start::at(Timestamp::from_secs_f64(1e9)));
        let now = || Timestamp::from_secs_f64(1.8e9);
        drain(JsonLines::open(text.as_bytes(), "x", &options, Box::new(now)).unwrap())
    }

    #[test]
    fn epochs_and_other_times_of_files_are_taken() {
        let times = ["1760000000123", "\"1760000000.123\"", "1760000000.123", "1760000000123000", "\"2025-10-09 08:53:20.123+00\""];
        for time in times {
            let (samples, skipped) = read(&format!("{{\"driverId\":\"a\",\"timestamp\":{time},\"data\":{{\"rpm\":1}}}}\n"));
            assert!(skipped.is_empty(), "{time}: {skipped:?}");
            assert!((samples[0].source_time - Timestamp::from_millis(1_760_000_000_123)).abs() < 2, "{time}: {}", samples[0].source_time);
        }
        let batch = "{\"batch\":[{\"driverId\":\"a\",\"timestamp\":1760000000,\"data\":{\"v\":1}},{\"driverId\":\"a\",\"timestamp\":12.5,\"data\":{\"v\":2}}]}";
        let (samples, _) = read(batch);
        assert_eq!(samples[1].source_time, Timestamp::from_secs_f64(1e9 + 12.5), "seconds since the recording began");
        let (samples, skipped) = read("{\"driverId\":\"a\",\"timestamp\":\"01/12/2026\",\"data\":{\"v\":1}}\n");
        assert_eq!((samples.len(), skipped.len()), (0, 1));
    }

    #[test]
    fn one_array_or_object_over_many_lines_is_read() {
        let frame = |n: u32| format!("{{\n  \"driverId\": \"a\",\n  \"data\": {{\"v\": {n}}}\n}}");
        for text in [
            format!("[{},\n{}]", frame(1), frame(2)),
            format!("{}\n{}\n", frame(1), frame(2)),
            format!("[\n{}\n,{}\n]\n", frame(1), frame(2)),
        ] {
            let (samples, skipped) = read(&text);
            assert!(skipped.is_empty(), "{skipped:?}");
            assert_eq!(samples.iter().filter_map(|s| s.number("v")).collect::<Vec<_>>(), [1.0, 2.0], "{text}");
        }
        let (_, skipped) = read("[[1,2],\n\"x\"]");
        assert!(skipped.last().unwrap().reason.contains("driverId") && skipped.last().unwrap().line == 2, "{skipped:?}");
    }

    #[test]
    fn lines_may_end_with_cr_and_a_cut_line_costs_itself_only() {
        let line = "{\"driverId\":\"a\",\"data\":{\"v\":1}}";
        assert_eq!(read(&format!("{line}\r{line}\r\n{line}")).0.len(), 3);
        for text in [format!("{line}\n\u{feff}{line}\n"), format!("[{line}]\u{feff}[{line}]\n")] {
            let (samples, skipped) = read(&text);
            assert_eq!((samples.len(), skipped.len()), (2, 0), "files that were put together: {skipped:?}");
        }
        let (samples, skipped) = read(&format!("{{\"driverId\":\n{line}\n{line}\n"));
        assert_eq!((samples.len(), skipped.len()), (2, 1));
    }

    #[test]
    fn text_that_looks_like_numbers_is_noted_and_read_as_told() {
        let text = "{\"driverId\":\"a\",\"data\":{\"speed\":\"101,5\",\"note\":\"ok\"}}\n";
        let read = |decimal| {
            let options = ReadOptions { decimal, ..ReadOptions::new(Start::at(Timestamp::default())) };
            drain_all(JsonLines::open(text.as_bytes(), "x", &options, Box::new(Timestamp::default)).unwrap())
        };
        let (samples, _, remarks) = read(None);
        assert_eq!(samples[0].signal("speed"), Some(&SignalValue::Text("101,5".into())));
        assert!(remarks.len() == 1 && remarks[0].text.contains("speed: 1 values") && remarks[0].text.contains("--decimal"), "{remarks:?}");
        let (samples, _, remarks) = read(Some(','));
        assert!(samples[0].number("speed") == Some(101.5) && remarks.is_empty(), "{remarks:?}");
    }

    #[test]
    fn a_signal_that_is_nowhere_is_named() {
        let options = ReadOptions { signals: vec!["sped".into()], ..ReadOptions::new(Start::at(Timestamp::default())) };
        let text = "{\"driverId\":\"a\",\"data\":{\"speed\":1}}\n";
        let lines = JsonLines::open(text.as_bytes(), "x", &options, Box::new(Timestamp::default)).unwrap();
        let (samples, _, remarks) = drain_all(lines);
        assert!(samples.is_empty() && remarks[0].text.contains("did you mean 'speed'"), "{remarks:?}");
    }
}
