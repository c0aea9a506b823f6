//! Fields of `convert`.

use super::{
    Conversion, Convert,
    units::{self, Unit},
};
use crate::pipeline::{Builder, Fields, Operator};

/// `signals`: a list of `{signal, from, to, as?}`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    if !fields.has("signals") {
        fields.mistake(
            "signals",
            "is missing; a list like [{signal = \"speed\", from = \"km/h\", to = \"m/s\", as = \"speed_mps\"}] is expected",
        );
    }
    let conversions = fields.tables("signals", |f| {
        let signal: Option<String> = f.required("signal");
        let from = unit(f, "from", None);
        let to = unit(f, "to", from.map(|u| u.dimension));
        let name: Option<String> = f.optional("as");
        let (signal, from, to) = (signal?, from?, to?);
        let name = builder.signal(name.as_deref().unwrap_or(&signal));
        let (factor, offset) = (from.factor / to.factor, (from.offset - to.offset) / to.factor);
        Some(Conversion { signal: builder.signal(&signal), name, factor, offset })
    });
    Some(Box::new(Convert { conversions }))
}

fn unit(fields: &mut Fields<'_>, name: &'static str, dimension: Option<&str>) -> Option<Unit> {
    let text: String = fields.required(name)?;
    let Some(unit) = units::find(&text) else {
        fields.mistake(name, format!("'{text}' is no unit known here; {} are", units::names(dimension)));
        return None;
    };
    if let Some(dimension) = dimension.filter(|d| *d != unit.dimension) {
        fields
            .mistake(name, format!("'{text}' is a unit of {}, not of {dimension}; {} are", unit.dimension, units::names(Some(dimension))));
        return None;
    }
    Some(unit)
}
