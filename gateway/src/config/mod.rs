//! Configuration: flags over environment over file over defaults, resolved once.
