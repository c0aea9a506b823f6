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

replayed! { config_files exported_rows images parquet_files policy_files relay_sources series_answers tokens ws_frames }
