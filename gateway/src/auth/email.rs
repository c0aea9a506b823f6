//! What users log in with.

/// Longest email, characters (RFC 5321's bound on a path, less its brackets).
pub const MAX_EMAIL: usize = 254;

/// An email in lower case, as far as its form tells: something, one `@`, something. Whether it exists only mail can tell.
pub fn email(text: &str) -> Result<String, String> {
    let email = text.trim().to_lowercase();
    let is_email = match email.split_once('@') {
        Some((name, host)) => !name.is_empty() && !host.is_empty() && !host.contains('@') && !email.contains(char::is_whitespace),
        None => false,
    };
    if is_email && email.chars().count() <= MAX_EMAIL { Ok(email) } else { Err("an email such as ann@example.org is expected".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_lower_cased_and_what_is_none_is_refused() {
        assert_eq!(email(" Ann@Example.ORG ").unwrap(), "ann@example.org");
        for bad in ["ann", "@example.org", "ann@", "a@b@c", "a b@c.d", ""] {
            assert!(email(bad).is_err(), "{bad}");
        }
        assert!(email(&format!("{}@b", "a".repeat(MAX_EMAIL))).is_err());
    }
}
