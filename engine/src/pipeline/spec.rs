//! What a person declares: source, steps, outputs.

#![expect(clippy::unnecessary_wraps, reason = "readers of tables may fail, whether or not this one does")]

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use slipstream_protocol::id::is_valid_id;

use super::{
    fields::{Fields, Mistakes},
    watermark::{DEFAULT_MAX_BEHIND, WatermarkConfig},
};

/// Bounds of a description.
const MAX_STEPS: usize = 64;
/// A name also names a channel, with room for a key behind it.
const MAX_NAME: usize = 48;

/// A checked description of a pipeline. Serialises as the document it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSpec {
    /// What it is called; its channel is `pipeline:<name>`.
    pub name: String,
    /// What it is for, in a person's words.
    pub description: String,
    /// What goes in.
    pub source: SourceSpec,
    /// How event time is followed.
    pub time: TimeSpec,
    /// What is done, in order.
    pub steps: Vec<StepSpec>,
    /// Where results go.
    pub outputs: OutputSpec,
    document: Value,
}

/// Which samples, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSpec {
    /// The results of this pipeline, instead of samples.
    pub pipeline: Option<String>,
    /// Patterns of vehicle ids: `*` stands for any characters, `?` for one. None: all.
    pub vehicles: Vec<String>,
    /// Only samples that tell this fleet.
    pub fleet: Option<String>,
    /// Only samples that tell this session.
    pub session: Option<String>,
    /// Only these signals. None: all.
    pub signals: Vec<String>,
    /// What a row's key is.
    pub key: KeyBy,
}

/// What a row's key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyBy {
    /// The vehicle's id.
    #[default]
    Vehicle,
    /// The session's id; samples without one are left out.
    Session,
    /// The fleet's id; samples without one are left out.
    Fleet,
}

/// How event time is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpec {
    /// Watermarks.
    pub watermark: WatermarkConfig,
    /// How far behind the newest a source may be that the others wait for.
    pub max_behind: Duration,
    /// How much later than the watermark a row may come and still correct a closed period.
    pub allowed_lateness: Duration,
}

impl Default for TimeSpec {
    fn default() -> Self {
        Self { watermark: WatermarkConfig::default(), max_behind: DEFAULT_MAX_BEHIND, allowed_lateness: Duration::ZERO }
    }
}

/// One step: an operator's verb and its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// Where it stands in the document: `steps[2]`.
    pub place: String,
    /// What it is called in statistics; the verb, where not told.
    pub name: String,
    /// The operator's verb.
    pub op: String,
    /// Its fields, without `op`, `name` and `with`.
    pub fields: Map<String, Value>,
    /// The second input, for operators that have one.
    pub with: Option<SideSpec>,
}

/// The second input of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct SideSpec {
    /// What goes in.
    pub source: SourceSpec,
    /// What is done with it first.
    pub steps: Vec<StepSpec>,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the description")]
pub struct OutputSpec {
    /// To the channel `pipeline:<name>`.
    pub channel: bool,
    /// Also to `pipeline:<name>.<key>` for each key.
    pub per_key: bool,
    /// Whether the channels hear early results too.
    pub early: bool,
    /// Late rows to `pipeline:<name>.late`. They are counted in any case.
    pub late: bool,
    /// To the time series. Early results never go there.
    pub series: Option<SeriesSpec>,
    /// As alerts of the vehicle, on `alerts:<vehicle>`.
    pub alerts: Option<AlertSpec>,
}

/// How results are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesSpec {
    /// Results are stored as the signals `<prefix>.<signal>` of the vehicle named by the key.
    pub prefix: String,
    /// Whether a period's point is stamped with its end instead of its start.
    pub stamp_end: bool,
}

/// How a result becomes an alert: each field is a text, or the value of a signal where it is written `{signal}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSpec {
    /// The alert's type.
    pub alert_type: String,
    /// low, medium, high or critical.
    pub severity: String,
    /// What a person reads.
    pub message: String,
}

impl PipelineSpec {
    /// Reads a description. `Err` has every mistake in its frame; mistakes within steps are found by [`super::Pipeline::build`].
    pub fn read(document: &Value) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let spec = Self::read_with(document, &mut mistakes);
        match spec {
            Some(spec) if mistakes.0.is_empty() => Ok(spec),
            _ => Err(mistakes),
        }
    }

    /// As [`PipelineSpec::read`], noting mistakes beside what could be read, so that a caller can look for more of them.
    pub fn read_with(document: &Value, mistakes: &mut Mistakes) -> Option<Self> {
        let Value::Object(map) = document else {
            mistakes.add("", "a table is expected");
            return None;
        };
        let mut fields = Fields::new("", map, mistakes);
        let name: String = fields.required("name").unwrap_or_default();
        if !name.is_empty() && (!is_valid_id(&name) || name.len() > MAX_NAME || name.contains('.')) {
            fields.mistake("name", format!("'{name}' is no name: 1 to {MAX_NAME} letters (A-Z a-z), digits, '_' or '-' are expected"));
        } else if name.is_empty() && fields.has("name") {
            fields.mistake("name", "must not be empty");
        }
        let description = fields.or("description", String::new());
        let source = fields.table("source", read_source).unwrap_or_default();
        let time = fields.table("time", read_time).unwrap_or_default();
        let steps = read_steps(&mut fields, true);
        let outputs = fields.table("outputs", |f| read_outputs(f, &name)).unwrap_or_default();
        fields.finish();
        Some(Self { name, description, source, time, steps, outputs, document: document.clone() })
    }

    /// The document it was read from.
    pub const fn document(&self) -> &Value {
        &self.document
    }
}

impl Default for OutputSpec {
    fn default() -> Self {
        Self { channel: true, per_key: false, early: true, late: false, series: None, alerts: None }
    }
}

impl Serialize for PipelineSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PipelineSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn read_source(fields: &mut Fields<'_>) -> Option<SourceSpec> {
    let vehicles: Vec<String> = fields.optional_list("vehicles").unwrap_or_default();
    for (i, pattern) in vehicles.iter().enumerate() {
        if !is_valid_id(&pattern.replace(['*', '?'], "x")) {
            fields.mistake(
                &format!("vehicles[{i}]"),
                format!("'{pattern}' can match no vehicle id: letters, digits, '.', '_', '-', '*' and '?' are expected"),
            );
        }
    }
    let pipeline = read_id(fields, "pipeline");
    let fleet = read_id(fields, "fleet");
    let session = read_id(fields, "session");
    let signals: Vec<String> = fields.optional_list("signals").unwrap_or_default();
    let key = fields.optional_choice("key", &[("vehicle", KeyBy::Vehicle), ("session", KeyBy::Session), ("fleet", KeyBy::Fleet)]);
    if pipeline.is_some() {
        for (name, told) in [("fleet", fleet.is_some()), ("session", session.is_some()), ("key", key.is_some())] {
            if told {
                fields.mistake(name, "results of a pipeline have the keys of that pipeline; say it in its source");
            }
        }
    }
    Some(SourceSpec { pipeline, vehicles, fleet, session, signals, key: key.unwrap_or_default() })
}

fn read_id(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    let id: String = fields.optional(name)?;
    if !is_valid_id(&id) {
        fields.mistake(name, format!("'{id}' is not an id: 1 to 128 letters (A-Z a-z), digits, '.', '_' or '-' are expected"));
    }
    Some(id)
}

fn read_time(fields: &mut Fields<'_>) -> Option<TimeSpec> {
    let default = WatermarkConfig::default();
    let watermark = WatermarkConfig {
        delay: fields.or("delay", default.delay),
        idle: fields.optional_duration("idle").unwrap_or(default.idle),
        every: fields.optional_duration("every").unwrap_or(default.every),
    };
    // Who is patient with silence is patient with a slow clock, too.
    let max_behind = fields.optional_duration("max_behind").unwrap_or(DEFAULT_MAX_BEHIND.max(watermark.idle));
    Some(TimeSpec { watermark, max_behind, allowed_lateness: fields.or("allowed_lateness", Duration::ZERO) })
}

fn read_steps(fields: &mut Fields<'_>, sides: bool) -> Vec<StepSpec> {
    let steps = fields.raw("steps");
    let count = steps.and_then(Value::as_array).map_or(0, Vec::len);
    if count > MAX_STEPS {
        fields.mistake("steps", format!("there are {count}; {MAX_STEPS} or fewer are expected"));
        return Vec::new();
    }
    fields.open_tables("steps", |step, map| {
        let op: String = step.required("op")?;
        let name = step.or("name", op.clone());
        let with = if sides { step.table("with", read_side) } else { None };
        let own = |key: &String| key != "op" && key != "name" && !(sides && key == "with");
        Some(StepSpec {
            place: step.place().to_owned(),
            name,
            op,
            fields: map.iter().filter(|(k, _)| own(k)).map(|(k, v)| (k.clone(), v.clone())).collect(),
            with,
        })
    })
}

fn read_side(fields: &mut Fields<'_>) -> Option<SideSpec> {
    let source = fields.table("source", read_source).unwrap_or_default();
    Some(SideSpec { source, steps: read_steps(fields, false) })
}

fn read_outputs(fields: &mut Fields<'_>, name: &str) -> Option<OutputSpec> {
    let default = OutputSpec::default();
    let series = match fields.raw("series") {
        Some(Value::Bool(wanted)) => wanted.then(|| SeriesSpec { prefix: name.to_owned(), stamp_end: false }),
        Some(_) => fields.table("series", |f| {
            let prefix: String = f.or("prefix", name.to_owned());
            if !is_valid_id(&prefix) {
                f.mistake("prefix", "letters (A-Z a-z), digits, '.', '_' or '-' are expected");
            }
            let stamp_end = f.optional_choice("stamp", &[("start", false), ("end", true)]).unwrap_or(false);
            Some(SeriesSpec { prefix, stamp_end })
        }),
        None => None,
    };
    let alerts = fields.table("alerts", |f| {
        let alert_type = f.required("type");
        let severity: String = f.or("severity", "medium".to_owned());
        if !severity.starts_with('{') && !["low", "medium", "high", "critical"].contains(&severity.as_str()) {
            f.mistake("severity", format!("'{severity}' is not known; low, medium, high, critical or a {{signal}} are expected"));
        }
        Some(AlertSpec { alert_type: alert_type?, severity, message: f.or("message", String::new()) })
    });
    Some(OutputSpec {
        channel: fields.or("channel", default.channel),
        per_key: fields.or("per_key", default.per_key),
        early: fields.or("early", default.early),
        late: fields.or("late", default.late),
        series,
        alerts,
    })
}
