//! A run's picture: how the returns of episodes grew with the steps.

use plotters::prelude::*;

use super::Moment;

/// The picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the curve could not be drawn: {0}")]
pub struct CurveError(String);

const SIZE: (u32, u32) = (960, 540);
const LEARNING: RGBColor = RGBColor(0x8a, 0x9b, 0xb0);
const EVALUATED: RGBColor = RGBColor(0x0b, 0x7a, 0x75);

/// Draws the returns while learning (exploring included), and of the evaluated policy with its 95 % confidence
/// interval, over steps; as SVG.
pub fn curve_svg(title: &str, moments: &[Moment]) -> Result<String, CurveError> {
    let mut svg = String::new();
    draw(&mut svg, title, moments).map_err(|error| CurveError(error.to_string()))?;
    Ok(svg)
}

fn draw(svg: &mut String, title: &str, moments: &[Moment]) -> Result<(), Box<dyn std::error::Error>> {
    let learning: Vec<(f64, f64)> = moments.iter().filter_map(|m| Some((m.progress.steps as f64, m.progress.episode_reward?))).collect();
    let evaluated: Vec<(f64, f64, f64, f64)> = moments
        .iter()
        .filter_map(|m| {
            let evaluation = m.evaluation.as_ref()?;
            Some((m.progress.steps as f64, evaluation.confidence_95.0, evaluation.mean, evaluation.confidence_95.1))
        })
        .collect();
    let returns = || learning.iter().map(|point| point.1).chain(evaluated.iter().flat_map(|point| [point.1, point.3]));
    let (low, high) = (returns().fold(f64::INFINITY, f64::min), returns().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low.is_finite() { (low, high.max(low + 1.0)) } else { (0.0, 1.0) };
    let margin = (high - low) * 0.05;
    let last = moments.last().map_or(1.0, |moment| moment.progress.steps.max(1) as f64);

    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, low - margin..high + margin)?;
    chart.configure_mesh().x_desc("steps").y_desc("return of an episode").light_line_style(BLACK.mix(0.04)).draw()?;
    chart
        .draw_series(LineSeries::new(learning, LEARNING.stroke_width(2)))?
        .label("while learning")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], LEARNING.stroke_width(2)));
    chart.draw_series(
        evaluated.iter().map(|(steps, low, mean, high)| ErrorBar::new_vertical(*steps, *low, *mean, *high, EVALUATED.filled(), 6)),
    )?;
    chart
        .draw_series(LineSeries::new(evaluated.iter().map(|point| (point.0, point.2)), EVALUATED.stroke_width(2)))?
        .label("policy, evaluated")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], EVALUATED.stroke_width(2)));
    chart.configure_series_labels().position(SeriesLabelPosition::LowerRight).background_style(WHITE.mix(0.85)).draw()?;
    root.present()?;
    Ok(())
}
