//! The corpus of this crate's fuzz targets, and damaged copies of it, keep to the properties.

use slipstream_corpus::replay;

macro_rules! replayed {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), super::$target);
        }
    )*};
}

replayed! { config_files images policy_files series_answers tokens ws_frames }
