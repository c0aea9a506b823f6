use serde::{Deserialize, Serialize};

/// The kind of road.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Road {
    /// A street of a living quarter: one lane, 30 km/h.
    Residential,
    /// A city's main street: two lanes, 50 km/h.
    City,
    /// A country road: one lane, 90 km/h.
    Rural,
    /// A motorway: three lanes, 120 km/h.
    Motorway,
}

impl Road {
    /// Every kind; the place is the number in an observation.
    pub const ALL: [Self; 4] = [Self::Residential, Self::City, Self::Rural, Self::Motorway];

    /// Lanes in the direction of travel.
    pub fn lanes(self) -> u8 {
        match self {
            Self::Residential | Self::Rural => 1,
            Self::City => 2,
            Self::Motorway => 3,
        }
    }

    /// Speed limit, m/s.
    pub fn speed_limit_mps(self) -> f64 {
        match self {
            Self::Residential => 30.0 / 3.6,
            Self::City => 50.0 / 3.6,
            Self::Rural => 90.0 / 3.6,
            Self::Motorway => 120.0 / 3.6,
        }
    }

    /// How likely a stretch beside the car holds another one, 0 to 1: dense in the rush hours, thin at night.
    pub fn traffic_density(self, hour: u8) -> f64 {
        let by_hour = match hour {
            7..=9 | 16..=18 => 0.9,
            6 | 10..=15 | 19..=20 => 0.5,
            _ => 0.15,
        };
        match self {
            Self::Residential | Self::Rural => by_hour * 0.5,
            Self::City | Self::Motorway => by_hour,
        }
    }
}

/// The weather, as far as tyres feel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Weather {
    /// Dry asphalt.
    Clear,
    /// Wet asphalt.
    Rain,
    /// Damp asphalt, and short sight.
    Fog,
    /// Hard-packed snow.
    Snow,
    /// Ice.
    Ice,
}

impl Weather {
    /// Every kind; the place is the number in an observation.
    pub const ALL: [Self; 5] = [Self::Clear, Self::Rain, Self::Fog, Self::Snow, Self::Ice];

    /// Coefficient of friction between tyre and road at its peak, which anti-lock brakes hold: dry asphalt 0.85,
    /// wet 0.6, hard-packed snow 0.2, ice 0.1 (Wong, "Theory of Ground Vehicles", table of average
    /// tractive coefficients); damp asphalt in fog lies between wet and dry.
    pub fn friction(self) -> f64 {
        match self {
            Self::Clear => 0.85,
            Self::Rain => 0.6,
            Self::Fog => 0.7,
            Self::Snow => 0.2,
            Self::Ice => 0.1,
        }
    }

    /// By how much the driver goes below the speed limit, as a factor.
    pub fn prudence(self) -> f64 {
        match self {
            Self::Clear => 1.0,
            Self::Rain => 0.9,
            Self::Fog => 0.8,
            Self::Snow => 0.6,
            Self::Ice => 0.4,
        }
    }
}
