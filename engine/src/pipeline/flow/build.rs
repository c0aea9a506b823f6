//! From a description to stages that run.

use std::{collections::VecDeque, sync::Arc};

use slipstream_protocol::Timestamp;

use super::{
    Pipeline,
    stage::{Side, Stage},
};
use crate::pipeline::{
    clocks::ClocksAhead,
    fields::{Fields, Mistakes, meant},
    operator::{Builder, Operator, OperatorKind, Output, Scope},
    operators,
    source::Source,
    spec::{PipelineSpec, SideSpec, SourceSpec, StepSpec},
    surroundings::Surroundings,
    upstream::Upstream,
    watermark::Watermarks,
};

impl Pipeline {
    /// Checks a description whole and makes it run. `Err` has every mistake there is.
    pub fn build(document: &serde_json::Value) -> Result<Self, Mistakes> {
        Self::build_with(document, &Surroundings::default())
    }

    /// As [`Pipeline::build`], with what it may refer to.
    pub fn build_with(document: &serde_json::Value, around: &Surroundings) -> Result<Self, Mistakes> {
        Self::build_below(document, around, &mut Vec::new())
    }

    /// As [`Pipeline::build_with`]; `path` has the names of the pipelines that read this one.
    fn build_below(document: &serde_json::Value, around: &Surroundings, path: &mut Vec<String>) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let Some(spec) = PipelineSpec::read_with(document, &mut mistakes) else { return Err(mistakes) };
        let mut out = Output::default();
        path.push(spec.name.clone());
        let upstreams = upstreams(&spec, around, path, &mut mistakes);
        path.pop();
        let source = Source::new(spec.source.clone(), &mut out.scope.signals);
        let stages = Build { spec: &spec, around, scope: &mut out.scope, mistakes: &mut mistakes }.stages(&spec.steps);
        if !mistakes.0.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            source,
            watermarks: Watermarks::new(spec.time.watermark, spec.time.max_behind),
            clocks: ClocksAhead::new(around.clock_skew),
            upstreams,
            stages,
            out,
            advanced: Timestamp::from_micros(i64::MIN),
            reached: Timestamp::from_micros(i64::MIN),
            tags: None,
            advances: 0,
            moving: Vec::new(),
            results: VecDeque::new(),
            late: VecDeque::new(),
            rows_in: 0,
            stopwatch: None,
            spec: Arc::new(spec),
        }
        .tagging())
    }
}

/// Pipelines whose results sources of `spec` read, each once.
fn upstreams(spec: &PipelineSpec, around: &Surroundings, path: &mut Vec<String>, mistakes: &mut Mistakes) -> Vec<Upstream> {
    let sides = spec.steps.iter().filter_map(|step| Some((format!("{}.with.source.pipeline", step.place), &step.with.as_ref()?.source)));
    let sources = std::iter::once(("source.pipeline".to_owned(), &spec.source)).chain(sides);
    let mut made: Vec<Upstream> = Vec::new();
    for (place, SourceSpec { pipeline, .. }) in sources {
        let Some(name) = pipeline else { continue };
        if made.iter().any(|u| u.name() == name) {
            continue;
        }
        if path.contains(name) {
            let circle: Vec<&str> = path.iter().skip_while(|n| *n != name).chain([name]).map(String::as_str).collect();
            mistakes.add(place, format!("a circle: '{}'", circle.join("' reads '")));
            continue;
        }
        let Some(document) = around.pipelines.get(name) else {
            let known: Vec<&str> = around.pipelines.keys().map(String::as_str).collect();
            let there = if known.is_empty() { "there are none beside it".to_owned() } else { format!("there are {}", known.join(", ")) };
            mistakes.add(place, format!("'{name}' is no pipeline; {there}{}", meant(name, &known)));
            continue;
        };
        match Pipeline::build_below(document, around, path) {
            Ok(pipeline) => made.push(Upstream::new(name, pipeline)),
            Err(theirs) => {
                for mistake in theirs.0 {
                    mistakes.add(place.clone(), format!("in '{name}', {mistake}"));
                }
            }
        }
    }
    made
}

/// What is at hand while all stages are made.
struct Build<'a> {
    spec: &'a PipelineSpec,
    around: &'a Surroundings,
    scope: &'a mut Scope,
    mistakes: &'a mut Mistakes,
}

impl Build<'_> {
    fn stages(&mut self, steps: &[StepSpec]) -> Vec<Stage> {
        let mut stages = Vec::new();
        let mut in_order = false;
        for step in steps {
            let Some(kind) = operators::find(&step.op) else {
                let verbs: Vec<_> = operators::OPERATORS.iter().map(|k| k.verb).collect();
                let message = format!("'{}' is no operator; there are {}{}", step.op, verbs.join(", "), meant(&step.op, &verbs));
                self.mistakes.add(format!("{}.op", step.place), message);
                continue;
            };
            let side = self.side(kind, step);
            let mut fields = Fields::new(step.place.clone(), &step.fields, self.mistakes);
            let mut builder = Builder {
                signals: &mut self.scope.signals,
                allowed_lateness: self.spec.time.allowed_lateness,
                needs_order: kind.ordered,
                tables: &self.around.tables,
            };
            let operator: Option<Box<dyn Operator>> = (kind.build)(&mut fields, &mut builder);
            let needs_order = builder.needs_order;
            fields.finish();
            if needs_order && !in_order {
                stages.push(Stage::reorder());
                in_order = true;
            }
            in_order = kind.verb == "reorder" || (in_order && kind.keeps_order);
            stages.extend(operator.map(|operator| Stage::new(kind.verb, &step.name, operator, side)));
        }
        stages
    }

    fn side(&mut self, kind: &OperatorKind, step: &StepSpec) -> Option<Side> {
        let place = format!("{}.with", step.place);
        match (&step.with, kind.sided) {
            (Some(SideSpec { source, steps }), true) => {
                Some(Side { source: Source::new(source.clone(), &mut self.scope.signals), stages: self.stages(steps) })
            }
            (None, true) => {
                self.mistakes.add(place, "is missing; a table with the second input's source and steps is expected");
                None
            }
            (Some(_), false) => {
                self.mistakes.add(place, format!("'{}' has no second input", kind.verb));
                None
            }
            (None, false) => None,
        }
    }
}
