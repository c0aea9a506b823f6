"""The question, the same for every peer: 10 s tumbling mean, max and p95 of 12 signals for each vehicle."""

SIGNALS = [
    "speed_mps", "throttle_pct", "brake_pct", "rpm", "gear", "steer_deg",
    "ax_g", "ay_g", "tyre_temp_fl_c", "tyre_temp_fr_c", "tyre_temp_rl_c", "tyre_temp_rr_c",
]
WINDOW_S = 10
LATENESS_S = 5


def nearest_rank(count, per_cent=95):
    """The place, from 0, of a percentile among `count` sorted values."""
    return max(0, -(-per_cent * count // 100) - 1)
