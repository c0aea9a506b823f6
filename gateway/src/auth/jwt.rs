//! Reading a JWT: JWS compact form (RFC 7515) with the claims of RFC 7519.
//!
//! Only HS256 is taken. Unknown header parameters are ignored whatever their type is; `crit` is refused, because it names
//! extensions that the reader must know. Every refusal names the header parameter or the claim that is wrong. Whether the
//! token's life has begun or ended is for the caller to see.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use slipstream_protocol::{
    Channel, Timestamp,
    token::{Claims, Role},
};

use super::hs256::Key;

/// Characters of a wrong value that a message shows.
const SHOWN: usize = 40;

/// What a well-signed token says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Jwt {
    pub(super) claims: Claims,
    /// `jti`.
    pub(super) id: Option<String>,
    /// `exp`, fractions included.
    pub(super) expires_at: Timestamp,
    /// `nbf`.
    pub(super) not_before: Option<Timestamp>,
    /// `iat`.
    pub(super) issued_at: Option<Timestamp>,
}

/// Reads `token`, signed with `key` and meant for `audience` where it names one. The error is for its bearer.
pub(super) fn read(token: &str, key: &Key, audience: &str) -> Result<Jwt, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(format!("the token is not a JWT: three parts with dots between them are expected, it has {}", parts.len()));
    };
    check_header(&object(header, "header")?)?;
    let message = &token[..header.len() + 1 + payload.len()];
    if !key.is_signature(message, signature) {
        return Err(
            "the token's signature is not of this server's secret: it was made with another JWT_SECRET or for another DATA_DIR".to_owned()
        );
    }
    claims(&object(payload, "claims")?, audience)
}

fn object(part: &str, what: &str) -> Result<Map<String, Value>, String> {
    let broken = |why: String| format!("the token's {what} cannot be read: {why}");
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|e| broken(not_base64url(part, e)))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(broken("not a JSON object".to_owned())),
        Err(error) => Err(broken(format!("not JSON ({error})"))),
    }
}

fn not_base64url(part: &str, error: base64::DecodeError) -> String {
    match error {
        _ if part.contains('=') => "base64url in a JWT has no '=' at its end (RFC 7515, 2)".to_owned(),
        _ if part.contains(['+', '/']) => "it is base64 with '+' and '/', a JWT has base64url with '-' and '_' (RFC 7515, 2)".to_owned(),
        base64::DecodeError::InvalidPadding | base64::DecodeError::InvalidLength(_) => "it is cut short".to_owned(),
        other => format!("not base64url ({other})"),
    }
}

fn check_header(header: &Map<String, Value>) -> Result<(), String> {
    match header.get("alg") {
        Some(Value::String(name)) if name == "HS256" => {}
        Some(other) => return Err(format!("the token must be signed with HS256, its header 'alg' is {}", shown(other))),
        None => return Err("the token must be signed with HS256, its header has no 'alg'".to_owned()),
    }
    match header.get("crit") {
        None => Ok(()),
        Some(names) => Err(format!("the token's header 'crit' asks for extensions that are not known here: {}", shown(names))),
    }
}

fn claims(object: &Map<String, Value>, audience: &str) -> Result<Jwt, String> {
    check_audience(object.get("aud"), audience)?;
    let sub = text(object, "sub")?.ok_or("the token has no claim 'sub': who its bearer is")?;
    let role = text(object, "role")?.ok_or_else(|| format!("the token has no claim 'role': {}", roles()))?;
    let role = Role::ALL.into_iter().find(|r| r.as_str() == role).ok_or_else(|| wrong("role", &role.into(), &roles()))?;
    let expires_at = date(object, "exp")?.ok_or("the token has no claim 'exp': when it ends")?;
    let issued_at = date(object, "iat")?;
    let seconds = |name: &str, date: Timestamp| object.get(name).and_then(Value::as_i64).unwrap_or(date.micros().div_euclid(1_000_000));
    let channels = list(object, "channels", "a list of channels such as telemetry:ALB or session:*", |text| text.parse::<Channel>().ok())?;
    let publish = list(object, "publish", "a list of vehicle ids, or * for all", |text| Some(text.to_owned()))?;
    Ok(Jwt {
        id: text(object, "jti")?,
        expires_at,
        not_before: date(object, "nbf")?,
        issued_at,
        claims: Claims { sub, exp: seconds("exp", expires_at), iat: issued_at.map(|date| seconds("iat", date)), role, channels, publish },
    })
}

/// RFC 7519, 4.1.3: a token that names its audience, and not this one, is for somebody else.
fn check_audience(given: Option<&Value>, ours: &str) -> Result<(), String> {
    let is_ours = match given {
        None => true,
        Some(Value::String(one)) => one == ours,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(ours)),
        Some(_) => false,
    };
    if is_ours { Ok(()) } else { Err(wrong("aud", given.unwrap_or(&Value::Null), &format!("{ours:?}, which auth.audience sets"))) }
}

fn text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(name, other, "text")),
    }
}

/// A date as RFC 7519 (2) has it: seconds since the Unix epoch, with a fraction or without.
fn date(object: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let micros = match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(seconds), _) => seconds.saturating_mul(1_000_000),
            // Saturates: what lies beyond the end of time never ends.
            (None, Some(seconds)) => (seconds * 1e6) as i64,
            (None, None) => return Err(wrong(name, value, "a number of seconds since 1970")),
        },
        _ => return Err(wrong(name, value, "a number of seconds since 1970")),
    };
    Ok(Some(Timestamp::from_micros(micros)))
}

fn list<T>(object: &Map<String, Value>, name: &str, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<Vec<T>>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(entries)) => {
            let read = |entry: &Value| entry.as_str().and_then(&read).ok_or_else(|| wrong(name, entry, expected));
            entries.iter().map(read).collect::<Result<_, _>>().map(Some)
        }
        Some(other) => Err(wrong(name, other, expected)),
    }
}

fn roles() -> String {
    format!("one of {}", Role::ALL.map(Role::as_str).join(", "))
}

fn wrong(claim: &str, value: &Value, expected: &str) -> String {
    format!("the token's claim '{claim}' is {}, expected is {expected}", shown(value))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &[u8] = b"0123456789abcdef";

    fn signed(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = Key::new(SECRET).signature(&message);
        format!("{message}.{signature}")
    }

    fn read_here(token: &str) -> Result<Jwt, String> {
        read(token, &Key::new(SECRET), "slipstream")
    }

    fn with_header(header: &Value) -> Result<Jwt, String> {
        read_here(&signed(header, &json!({"sub": "a", "role": "viewer", "exp": 1_900_000_000})))
    }

    fn with_claim(name: &str, value: Value) -> Result<Jwt, String> {
        let mut claims = json!({"sub": "a", "role": "viewer", "exp": 1_900_000_000});
        claims[name] = value;
        read_here(&signed(&json!({"alg": "HS256"}), &claims))
    }

    #[test]
    fn unknown_header_parameters_of_any_type_are_ignored() {
        for value in [json!(1), json!(7.5), json!(null), json!(true), json!("x"), json!([1, "a"]), json!({"deep": [{}]})] {
            for name in ["v", "kid", "typ", "cty", "jku", "x5c", "b64"] {
                let mut header = json!({"alg": "HS256", "typ": "JWT"});
                header[name] = value.clone();
                assert!(with_header(&header).is_ok(), "{name}: {value}");
            }
        }
    }

    #[test]
    fn critical_header_parameters_and_other_algorithms_are_refused_by_name() {
        for value in [json!(["exp"]), json!(["b64"]), json!([]), json!(null), json!("b64")] {
            let error = with_header(&json!({"alg": "HS256", "crit": value, "b64": true})).unwrap_err();
            assert!(error.contains("'crit'"), "{error}");
        }
        for alg in [json!("none"), json!("hs256"), json!("RS256"), json!("HS512"), json!(256), json!(null)] {
            let error = with_header(&json!({"alg": alg})).unwrap_err();
            assert!(error.contains("'alg'") && error.contains("HS256"), "{error}");
        }
        assert!(with_header(&json!({"typ": "JWT"})).unwrap_err().contains("'alg'"));
    }

    #[test]
    fn dates_may_have_fractions() {
        let jwt = with_claim("exp", json!(1_900_000_000.5)).unwrap();
        assert_eq!((jwt.expires_at.micros(), jwt.claims.exp), (1_900_000_000_500_000, 1_900_000_000));
        assert_eq!(with_claim("iat", json!(1_800_000_000.123)).unwrap().claims.iat, Some(1_800_000_000));
        assert_eq!(with_claim("nbf", json!(1.8e9)).unwrap().not_before, Some(Timestamp::from_millis(1_800_000_000_000)));
        assert_eq!(with_claim("exp", json!(-0.5)).unwrap().claims.exp, -1);
        assert!(with_claim("exp", json!(1e300)).unwrap().expires_at > Timestamp::from_millis(4_000_000_000_000));
        for name in ["exp", "nbf", "iat"] {
            for value in [json!("1900000000"), json!(null), json!([1]), json!(true)] {
                let error = with_claim(name, value).unwrap_err();
                assert!(error.contains(&format!("'{name}'")), "{error}");
            }
        }
    }

    #[test]
    fn a_token_for_another_audience_is_refused() {
        for ours in [json!("slipstream"), json!(["grafana", "slipstream"])] {
            assert!(with_claim("aud", ours.clone()).is_ok(), "{ours}");
        }
        for other in [json!("another-service"), json!(["a", "b"]), json!([]), json!(null), json!(7), json!("Slipstream"), json!({})] {
            let error = with_claim("aud", other).unwrap_err();
            assert!(error.contains("'aud'") && error.contains("auth.audience"), "{error}");
        }
    }

    #[test]
    fn the_claim_that_is_wrong_is_named() {
        for (name, value) in [
            ("role", json!("boss")),
            ("role", json!(1)),
            ("sub", json!(7)),
            ("jti", json!(7)),
            ("channels", json!("telemetry:ALB")),
            ("channels", json!(["weather:1"])),
            ("channels", json!([1])),
            ("publish", json!("ALB")),
            ("publish", json!([null])),
        ] {
            let error = with_claim(name, value.clone()).unwrap_err();
            assert!(error.contains(&format!("'{name}'")), "{name} {value}: {error}");
        }
        for name in ["sub", "role", "exp"] {
            let mut claims = json!({"sub": "a", "role": "viewer", "exp": 1_900_000_000});
            claims.as_object_mut().unwrap().remove(name);
            let error = read_here(&signed(&json!({"alg": "HS256"}), &claims)).unwrap_err();
            assert!(error.contains(&format!("no claim '{name}'")), "{error}");
        }
        let long = with_claim("role", json!("x".repeat(10_000))).unwrap_err();
        assert!(long.len() < 300, "{long}");
    }

    #[test]
    fn what_is_no_token_is_told_from_what_is_signed_elsewhere() {
        let good = signed(&json!({"alg": "HS256"}), &json!({"sub": "a", "role": "viewer", "exp": 1_900_000_000}));
        let jwt = read_here(&good).unwrap();
        assert_eq!((jwt.claims.sub.as_str(), jwt.claims.role, jwt.id), ("a", Role::Viewer, None));
        let elsewhere = read(&good, &Key::new(b"another secret!!"), "slipstream").unwrap_err();
        assert!(elsewhere.contains("JWT_SECRET") && elsewhere.contains("DATA_DIR"), "{elsewhere}");
        for (bad, says) in [
            ("", "three parts"),
            ("a.b", "three parts"),
            ("a.b.c.d.e", "three parts"),
            ("a.b.c", "header"),
            ("e30.e30.", "'alg'"),
            ("W10.e30.x", "JSON object"),
        ] {
            let error = read_here(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
        let unsigned = &good[..=good.rfind('.').unwrap()];
        for bad in [unsigned.to_owned(), format!("{good}="), format!("{good}A"), format!("{unsigned}!!")] {
            assert!(read_here(&bad).unwrap_err().contains("signature"), "{bad}");
        }
    }
}
