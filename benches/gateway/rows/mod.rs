//! What is measured.

mod audience;
mod connections;
mod durable;
mod fan_out;
mod floor;
mod latency;
mod posts;
mod recovery;
mod requests;
mod stalled;
pub(crate) mod vehicles;

use anyhow::Result;

use crate::{Plan, report::Report};

/// Measures every row whose name contains `only`.
pub(crate) async fn run(plan: &Plan, only: &str, report: &mut Report) -> Result<()> {
    for load in fan_out::Load::ALL {
        if load.key().contains(only) {
            report.add(fan_out::measure(plan, load).await?);
        }
    }
    if "post".contains(only) || only.contains("post") {
        for row in posts::measure(plan).await? {
            report.add(row);
        }
    }
    for way in latency::Way::ALL {
        if way.key().contains(only) {
            for row in latency::measure(plan, way).await? {
                report.add(row);
            }
        }
    }
    if "durable".contains(only) || only.contains("durable") {
        for row in durable::measure(plan).await? {
            report.add(row);
        }
    }
    if "recovery".contains(only) {
        for row in recovery::measure(plan).await? {
            report.add(row);
        }
    }
    if "stalled".contains(only) {
        for row in stalled::measure(plan).await? {
            report.add(row);
        }
    }
    if "connections".contains(only) {
        report.add(connections::measure(plan).await?);
    }
    if "vehicles".contains(only) {
        for row in vehicles::measure(plan).await? {
            report.add(row);
        }
    }
    Ok(())
}
