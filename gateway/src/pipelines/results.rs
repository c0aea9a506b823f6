//! Rows on their way out: as publications, samples of the time series, alerts.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value as Json};
use slipstream_engine::pipeline::{
    Pipeline, Row, RowKind, Scope, SignalId, Tags, Value,
    spec::{AlertSpec, OutputSpec, PipelineSpec, SeriesSpec},
};
use slipstream_protocol::{
    Channel, ChannelKind, Id, Quality, Sample, Signal, SignalName, SignalValue, Timestamp, VehicleId,
    server::{Alert, AlertNote, Event, ResultKind, ResultNote, Severity},
};

/// Makes what leaves of one pipeline's rows.
pub(super) struct Results {
    pipeline: Id,
    outputs: OutputSpec,
    names: HashMap<SignalId, SignalName>,
}

impl Results {
    /// For a pipeline whose name is an id, as checked ones are; `None` otherwise.
    pub(super) fn new(spec: &PipelineSpec) -> Option<Self> {
        Some(Self { pipeline: Id::new(&spec.name).ok()?, outputs: spec.outputs.clone(), names: HashMap::new() })
    }

    /// What channels hear of a result: its publications and its alert.
    pub(super) fn events(&self, row: &Row, scope: &Scope) -> Vec<Event> {
        let mut events = Vec::new();
        let heard = row.kind != RowKind::Early || self.outputs.early;
        let Ok(key) = Id::new(scope.keys.name(row.key)) else { return events };
        if heard && (self.outputs.channel || self.outputs.per_key) {
            let kind = match row.kind {
                RowKind::Early => ResultKind::Early,
                RowKind::Final => ResultKind::Final,
                RowKind::Correction => ResultKind::Correction,
            };
            let note =
                |channel: Id| ResultNote { channel: Channel::one(ChannelKind::Pipeline, channel), ..self.note(&key, kind, row, scope) };
            if self.outputs.channel {
                events.push(Event::Result(note(self.pipeline.clone())));
            }
            // Names too long for a channel together have none.
            if let (true, Ok(id)) = (self.outputs.per_key, Id::new(&format!("{}.{key}", self.pipeline))) {
                events.push(Event::Result(note(id)));
            }
        }
        if let (Some(alert), RowKind::Final) = (&self.outputs.alerts, row.kind) {
            events.push(Event::Alert(self.alert(alert, &key, row, scope)));
        }
        events
    }

    /// What the late channel hears, where it is wanted.
    pub(super) fn late(&self, row: &Row, scope: &Scope) -> Option<Event> {
        let key = Id::new(scope.keys.name(row.key)).ok()?;
        let channel = Id::new(&format!("{}.late", self.pipeline)).ok()?;
        let note = self.note(&key, ResultKind::Late, row, scope);
        self.outputs.late.then(|| Event::Result(ResultNote { channel: Channel::one(ChannelKind::Pipeline, channel), ..note }))
    }

    fn note(&self, key: &Id, kind: ResultKind, row: &Row, scope: &Scope) -> ResultNote {
        let cells = || row.cells.iter().map(|c| (scope.signals.name(c.signal).to_owned(), c));
        let data: Map<String, Json> = cells().map(|(name, cell)| (name, json(&cell.value))).collect();
        let quality: Map<String, Json> =
            cells().filter(|(_, c)| c.quality != Quality::Good).map(|(name, c)| (name, Json::from(c.quality as u8))).collect();
        ResultNote {
            channel: Channel::one(ChannelKind::Pipeline, self.pipeline.clone()),
            pipeline: self.pipeline.clone(),
            key: key.clone(),
            kind,
            start: row.start,
            timestamp: row.time,
            data: Json::Object(data).to_string().into(),
            quality: (!quality.is_empty()).then(|| Json::Object(quality).to_string().into()),
        }
    }

    fn alert(&self, spec: &AlertSpec, key: &Id, row: &Row, scope: &Scope) -> AlertNote {
        let filled = |text: &str| fill(text, row, scope);
        let severity = match filled(&spec.severity).as_str() {
            "low" => Severity::Low,
            "high" => Severity::High,
            "critical" => Severity::Critical,
            _ => Severity::Medium,
        };
        let place = |x: &str, y: &str| {
            let number = |name: &str| scope.signals.get(name).and_then(|id| row.number(id));
            Some([number(x)?, number(y)?])
        };
        let alert = Alert {
            // The same result told again, after a restart, is the same alert.
            alert_id: format!("{}:{key}:{}", self.pipeline, row.start.micros()),
            alert_type: filled(&spec.alert_type),
            severity,
            position: place("lon_deg", "lat_deg").or_else(|| place("x_m", "y_m")),
            radius: None,
            message: filled(&spec.message),
        };
        AlertNote { vehicle: VehicleId::from(key.clone()), session: None, alert: Arc::new(alert), timestamp: row.time }
    }

    /// What the time series keep of a result: nothing of early ones. One sample per quality.
    pub(super) fn samples(&mut self, row: &Row, scope: &Scope, tags: Option<&Tags>, now: Timestamp, samples: &mut Vec<Sample>) {
        let Some(series) = self.outputs.series.clone().filter(|_| row.kind != RowKind::Early) else { return };
        let Ok(vehicle) = VehicleId::new(scope.keys.name(row.key)) else { return };
        for quality in [Quality::Good, Quality::Uncertain, Quality::Bad] {
            let cells = row.cells.iter().filter(|c| c.quality == quality);
            let signals: Vec<Signal> = cells.filter_map(|c| self.signal(c.signal, &c.value, &series, scope)).collect();
            if !signals.is_empty() {
                samples.push(Sample {
                    vehicle: vehicle.clone(),
                    session: tags.and_then(|tags| tags.session.clone()),
                    fleet: tags.and_then(|tags| tags.fleet.clone()),
                    seq: None,
                    source_time: if series.stamp_end { row.time } else { row.start },
                    received_at: now,
                    quality,
                    signals,
                    raw: None,
                });
            }
        }
    }

    fn signal(&mut self, id: SignalId, value: &Value, series: &SeriesSpec, scope: &Scope) -> Option<Signal> {
        let value = match value {
            Value::Null => return None,
            Value::Number(n) => SignalValue::Number(*n),
            Value::Bool(b) => SignalValue::Bool(*b),
            Value::Text(t) => SignalValue::Text((**t).into()),
        };
        let name = self.names.entry(id).or_insert_with(|| format!("{}.{}", series.prefix, scope.signals.name(id)).into());
        Some(Signal { name: name.clone(), value })
    }
}

/// A result as people read it; `late` names the step a row came too late for.
pub(crate) fn told(pipeline: &Pipeline, row: &Row, late: Option<&str>) -> Json {
    let scope = pipeline.scope();
    let data: Map<String, Json> = row.cells.iter().map(|c| (scope.signals.name(c.signal).to_owned(), json(&c.value))).collect();
    let mut told = serde_json::json!({
        "key": scope.keys.name(row.key), "kind": row.kind, "start": row.start, "timestamp": row.time, "data": data
    });
    let poor = row.cells.iter().filter(|c| c.quality != Quality::Good);
    let quality: Map<String, Json> = poor.map(|c| (scope.signals.name(c.signal).to_owned(), Json::from(c.quality as u8))).collect();
    if !quality.is_empty() {
        told["quality"] = Json::Object(quality);
    }
    if let Some(step) = late {
        told["kind"] = Json::from("late");
        told["step"] = Json::from(step);
    }
    told
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Number(n) => Json::from(*n),
        Value::Bool(b) => Json::from(*b),
        Value::Text(t) => Json::from(&**t),
    }
}

/// A text with `{signal}` replaced by that signal's value, and `{row.key}` by the key.
fn fill(text: &str, row: &Row, scope: &Scope) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match scope.signals.get(name).and_then(|id| row.cell(id)).map(|c| &c.value) {
            Some(Value::Number(n)) => filled.push_str(&n.to_string()),
            Some(Value::Bool(b)) => filled.push_str(&b.to_string()),
            Some(Value::Text(t)) => filled.push_str(t),
            Some(Value::Null) | None if name == "row.key" => filled.push_str(scope.keys.name(row.key)),
            Some(Value::Null) | None => filled.push('?'),
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_told_stored_and_alerted_as_declared() {
        let document = json!({"name": "hot", "outputs": {"per_key": true, "series": {"prefix": "h"},
            "alerts": {"type": "heat", "severity": "{grade}", "message": "{row.key}: {temp_c} °C, {none}"}}});
        let mut pipeline = Pipeline::build(&document).unwrap();
        let mut results = Results::new(pipeline.spec()).unwrap();
        let (key, temp, grade) = {
            let scope = &mut pipeline.output().scope;
            (scope.keys.intern("car-1"), scope.signals.intern("temp_c"), scope.signals.intern("grade"))
        };
        let mut row = pipeline.output().row(key, Timestamp::from_millis(5_000));
        row.add(temp, 95.5);
        row.set(grade, "high", Quality::Uncertain);
        let events = results.events(&row, pipeline.scope());
        let told = events.iter().map(|e| match e {
            Event::Result(note) => format!("{} {} {:?}", note.channel, note.data, note.quality),
            Event::Alert(note) => format!("{} {:?} {}", note.alert.alert_id, note.alert.severity, note.alert.message),
            other => format!("{other:?}"),
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "pipeline:hot {\"grade\":\"high\",\"temp_c\":95.5} Some(\"{\\\"grade\\\":64}\")",
                "pipeline:hot.car-1 {\"grade\":\"high\",\"temp_c\":95.5} Some(\"{\\\"grade\\\":64}\")",
                "hot:car-1:5000000 High car-1: 95.5 °C, ?",
            ]
        );
        let mut samples = Vec::new();
        let tags = Tags { session: Id::new("race").ok().map(Into::into), fleet: None };
        results.samples(&row, pipeline.scope(), Some(&tags), Timestamp::default(), &mut samples);
        assert!(samples.iter().all(|s| s.session.as_deref() == Some("race")), "{samples:?}");
        assert_eq!(samples.len(), 2);
        assert_eq!((samples[0].number("h.temp_c"), samples[1].quality), (Some(95.5), Quality::Uncertain));
    }
}
