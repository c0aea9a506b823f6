//! The relational store keeps its port's promises, on SQLite and on a real PostgreSQL.

use slipstream_actors::ports::{
    ApiKey, Driver, Feedback, Invite, Page, Records, RecordsError, Revocation, RevocationKind, Session, SessionRecords, Team,
    TelemetrySpan, Track, User, VideoFrame, VoiceClip,
};
use slipstream_gateway::records::SqlRecords;
use slipstream_protocol::{Id, SessionId, Timestamp, VehicleId, token::Role};
use slipstream_tests::servers::Postgres;

const ALL: Page = Page { number: 1, size: 100 };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000 + 123)
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn vehicle(text: &str) -> VehicleId {
    VehicleId::new(text).unwrap()
}

fn session_id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

fn user(name: &str, role: Role) -> User {
    User {
        id: id(name),
        email: format!("{name}@example.org"),
        name: name.to_owned(),
        role,
        driver: None,
        password_hash: "$argon2id$...".to_owned(),
        created_at: at(name.len() as i64),
    }
}

fn session(name: &str, driver: &str, seconds: i64) -> Session {
    Session { id: session_id(name), driver: vehicle(driver), name: name.to_uppercase(), track: None, created_at: at(seconds) }
}

pub(crate) async fn suite(records: &dyn Records) {
    records.ping().await.unwrap();
    users_log_in_by_email_and_the_first_is_admin(records).await;
    users_are_changed_and_removed_and_an_admin_is_left(records).await;
    api_keys_are_found_by_hash_until_deleted(records).await;
    an_invitation_is_taken_once(records).await;
    revocations_are_listed_while_they_matter(records).await;
    drivers_teams_and_tracks_are_kept_and_changed(records).await;
    sessions_are_listed_newest_first_by_driver(records).await;
    the_telemetry_index_only_widens(records).await;
    frames_and_feedback_create_what_they_name(records).await;
    clips_give_way_to_newer_ones(records).await;
}

async fn users_log_in_by_email_and_the_first_is_admin(records: &dyn Records) {
    // Registered at once, so that only one may win.
    let (one, two, three) = tokio::join!(
        records.create_user(user("ann", Role::Viewer)),
        records.create_user(user("bert", Role::Viewer)),
        records.create_user(User { driver: Some(vehicle("HAM")), ..user("carla", Role::Driver) })
    );
    let roles = [one.unwrap().role, two.unwrap().role, three.unwrap().role];
    assert_eq!(roles.iter().filter(|role| **role == Role::Admin).count(), 1, "{roles:?}");

    let carla = records.user_by_email("carla@example.org").await.unwrap().unwrap();
    assert_eq!((carla.name.as_str(), carla.driver), ("carla", Some(vehicle("HAM"))));
    assert_eq!(carla.created_at, at(5));
    assert_eq!(records.user_by_email("nobody@example.org").await.unwrap(), None);

    let again = records.create_user(User { id: id("ann2"), ..user("ann", Role::Viewer) }).await.unwrap_err();
    assert!(matches!(&again, RecordsError::Conflict(what) if what.contains("ann@example.org")), "{again}");
    assert!(!again.is_retryable());

    let second = records.users(Page { number: 2, size: 2 }).await.unwrap();
    assert_eq!((second.total, second.entries.len(), second.entries[0].name.as_str()), (3, 1, "carla"));
    let beyond = records.users(Page { number: u32::MAX, size: u32::MAX }).await.unwrap();
    assert_eq!((beyond.total, beyond.entries.len()), (3, 0));
}

async fn users_are_changed_and_removed_and_an_admin_is_left(records: &dyn Records) {
    assert_eq!(records.admins().await.unwrap(), 1);
    assert_eq!(records.add_first_admin(user("dora", Role::Admin)).await.unwrap(), None, "there is one");
    let dora = records.add_user(user("dora", Role::Viewer)).await.unwrap();
    assert_eq!((dora.role, records.user(&dora.id).await.unwrap()), (Role::Viewer, Some(dora.clone())));
    let listed = records.users(ALL).await.unwrap().entries;
    let founder = listed.into_iter().find(|user| user.role == Role::Admin).unwrap();
    assert!(!records.change_user(User { role: Role::Viewer, ..founder.clone() }).await.unwrap(), "the last admin");
    assert!(!records.remove_user(&founder.id).await.unwrap(), "the last admin");
    let promoted = User { role: Role::Admin, name: "Dora".into(), password_hash: "new".into(), driver: Some(vehicle("DOR")), ..dora };
    assert!(records.change_user(promoted.clone()).await.unwrap());
    assert_eq!(records.user(&promoted.id).await.unwrap(), Some(promoted.clone()));
    assert!(records.change_user(User { role: Role::Viewer, ..founder.clone() }).await.unwrap());
    assert!(records.change_user(founder).await.unwrap());
    assert!(records.remove_user(&promoted.id).await.unwrap() && !records.remove_user(&promoted.id).await.unwrap());
    assert_eq!(records.user(&promoted.id).await.unwrap(), None);
}

async fn an_invitation_is_taken_once(records: &dyn Records) {
    let invite = |name: &str, ends: i64| Invite {
        id: id(name),
        hash: format!("hash-{name}"),
        role: Role::Driver,
        driver: Some(vehicle("HAM")),
        created_by: "ann".to_owned(),
        created_at: at(0),
        expires_at: at(ends),
    };
    for (name, ends) in [("i1", 10), ("i2", 10), ("i3", 20)] {
        records.create_invite(invite(name, ends)).await.unwrap();
    }
    assert_eq!(records.invites(ALL).await.unwrap().total, 3);
    assert_eq!(records.take_invite("hash-i1", at(9)).await.unwrap(), Some(invite("i1", 10)));
    assert_eq!(records.take_invite("hash-i1", at(9)).await.unwrap(), None, "it serves once");
    assert_eq!(records.take_invite("hash-i2", at(10)).await.unwrap(), None, "it has ended");
    assert!(records.delete_invite(&id("i3")).await.unwrap() && !records.delete_invite(&id("i3")).await.unwrap());
    records.create_invite(Invite { created_at: at(15), ..invite("i4", 20) }).await.unwrap();
    assert_eq!(records.invites(ALL).await.unwrap().total, 1, "those that have ended are forgotten");
}

async fn revocations_are_listed_while_they_matter(records: &dyn Records) {
    let revocation = |kind, value: &str, at_s: i64, until: Option<i64>| Revocation {
        kind,
        value: value.to_owned(),
        at: at(at_s),
        until: until.map(at),
        by: "ann".to_owned(),
    };
    let token = revocation(RevocationKind::Token, "t1", 1, Some(10));
    let (early, late) = (revocation(RevocationKind::Subject, "bert", 2, None), revocation(RevocationKind::Subject, "bert", 3, None));
    for new in [&token, &early, &late] {
        records.revoke(new.clone()).await.unwrap();
    }
    let listed = |since: i64, now: i64| records.revocations(at(since), at(now));
    assert_eq!(listed(0, 5).await.unwrap(), [token, late.clone()]);
    assert_eq!(listed(2, 5).await.unwrap(), std::slice::from_ref(&late));
    assert_eq!(listed(0, 10).await.unwrap(), [late]);
}

async fn api_keys_are_found_by_hash_until_deleted(records: &dyn Records) {
    let key = |name: &str, owner: &str, publish| ApiKey {
        id: id(name),
        name: name.to_owned(),
        role: Role::Relay,
        channels: Some(vec!["telemetry:ALB".parse().unwrap(), "session:*".parse().unwrap()]),
        publish,
        hash: format!("hash-{name}"),
        owner: owner.to_owned(),
        created_at: at(0),
        expires_at: Some(at(60)),
    };
    let named = key("k1", "ann", Some(vec!["ALB".to_owned(), "HAM".to_owned()]));
    records.create_api_key(named.clone()).await.unwrap();
    records.create_api_key(key("k2", "bert", None)).await.unwrap();
    assert_eq!(records.api_key_by_hash("hash-k1").await.unwrap(), Some(named.clone()));
    assert_eq!(records.api_keys(Some("ann"), ALL).await.unwrap().entries, [named]);
    assert_eq!(records.api_keys(None, ALL).await.unwrap().total, 2);
    let twice = records.create_api_key(key("k1", "ann", None)).await.unwrap_err();
    assert!(matches!(twice, RecordsError::Conflict(_)), "{twice}");

    assert!(!records.delete_api_key(&id("k1"), Some("bert")).await.unwrap(), "someone else's key");
    assert!(records.delete_api_key(&id("k1"), Some("ann")).await.unwrap());
    assert!(!records.delete_api_key(&id("k1"), None).await.unwrap(), "gone already");
    assert_eq!(records.api_key_by_hash("hash-k1").await.unwrap(), None);
}

async fn drivers_teams_and_tracks_are_kept_and_changed(records: &dyn Records) {
    let team = Team { id: id("williams"), name: "Williams".to_owned(), created_at: at(0) };
    assert_eq!(records.put_team(team.clone()).await.unwrap(), team);
    let driver = Driver { id: vehicle("ALB"), name: "Álex Albon 🏎".to_owned(), team: Some(id("williams")), created_at: at(1) };
    assert_eq!(records.put_driver(driver.clone()).await.unwrap(), driver);
    let moved = Driver { team: Some(id("new-team")), created_at: at(2), ..driver.clone() };
    let kept = records.put_driver(moved).await.unwrap();
    assert_eq!((kept.team, kept.created_at), (Some(id("new-team")), at(1)), "changed, not made again");
    assert_eq!(records.driver(&vehicle("ALB")).await.unwrap().unwrap().name, driver.name);
    assert_eq!(records.driver(&vehicle("nobody")).await.unwrap(), None);
    let teams = records.teams(ALL).await.unwrap();
    assert_eq!(teams.entries.iter().map(|team| team.name.as_str()).collect::<Vec<_>>(), ["new-team", "Williams"]);

    let track = Track { id: id("barber"), name: "Barber".to_owned(), length_m: None, created_at: at(0) };
    records.put_track(track.clone()).await.unwrap();
    let measured = Track { length_m: Some(3_830.25), ..track };
    assert_eq!(records.put_track(measured.clone()).await.unwrap(), measured);
    assert_eq!(records.track(&id("barber")).await.unwrap(), Some(measured.clone()));
    assert_eq!(records.tracks(ALL).await.unwrap().entries, [measured]);
}

async fn sessions_are_listed_newest_first_by_driver(records: &dyn Records) {
    let first = Session { track: Some(id("monza")), ..session("s1", "RUS", 10) };
    assert_eq!(records.create_session(first.clone()).await.unwrap(), first);
    records.create_session(session("s2", "RUS", 20)).await.unwrap();
    records.create_session(session("s3", "SAI", 30)).await.unwrap();
    assert_eq!(records.session(&session_id("s1")).await.unwrap(), Some(first));
    assert_eq!(records.track(&id("monza")).await.unwrap().unwrap().name, "monza", "created with the session");
    assert_eq!(records.driver(&vehicle("SAI")).await.unwrap().unwrap().name, "SAI", "created with the session");
    let twice = records.create_session(session("s1", "SAI", 40)).await.unwrap_err();
    assert!(matches!(&twice, RecordsError::Conflict(what) if what.contains("s1")), "{twice}");

    let names =
        |listing: slipstream_actors::ports::Listing<Session>| listing.entries.into_iter().map(|s| s.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(records.sessions(Some(&vehicle("RUS")), ALL).await.unwrap()), ["s2", "s1"]);
    assert_eq!(names(records.sessions(None, ALL).await.unwrap()), ["s3", "s2", "s1"]);
    let page = records.sessions(Some(&vehicle("RUS")), Page { number: 2, size: 1 }).await.unwrap();
    assert_eq!((page.total, names(page)), (2, vec!["s1".to_owned()]));
}

async fn the_telemetry_index_only_widens(records: &dyn Records) {
    let span = |vehicle_id: &str, session: Option<&str>, first, last, samples| TelemetrySpan {
        vehicle: vehicle(vehicle_id),
        session: session.map(session_id),
        first: at(first),
        last: at(last),
        samples,
    };
    records.index_telemetry(&[span("PIA", Some("s1"), 10, 20, 5), span("PIA", None, 0, 1, 2)], at(100)).await.unwrap();
    records.index_telemetry(&[span("PIA", Some("s1"), 12, 15, 3), span("PIA", Some("live"), 5, 30, 1)], at(101)).await.unwrap();
    let spans = records.telemetry_spans(&vehicle("PIA")).await.unwrap();
    assert_eq!(spans, [span("PIA", Some("live"), 5, 30, 1), span("PIA", Some("s1"), 10, 20, 8), span("PIA", None, 0, 1, 2)]);

    let driven = records.sessions(Some(&vehicle("PIA")), ALL).await.unwrap();
    let ids: Vec<_> = driven.entries.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["live", "s1"], "sessions it sent telemetry in are its own too");
    assert_eq!(records.session(&session_id("s1")).await.unwrap().unwrap().driver, vehicle("RUS"), "who opened it stays");
}

async fn frames_and_feedback_create_what_they_name(records: &dyn Records) {
    let frame = |name: &str, session: Option<&str>, seconds| VideoFrame {
        id: id(name),
        driver: vehicle("NOR"),
        session: session.map(session_id),
        content_type: "image/png".to_owned(),
        bytes: 67,
        width: 4,
        height: 3,
        sha256: "ab".repeat(32),
        taken_at: at(seconds),
        received_at: at(50),
    };
    let newest = frame("f2", Some("fp1"), 2);
    records.create_frame(frame("f1", None, 1)).await.unwrap();
    records.create_frame(newest.clone()).await.unwrap();
    assert_eq!(records.frame(&id("f2")).await.unwrap(), Some(newest.clone()));
    assert_eq!(records.frame(&id("f3")).await.unwrap(), None);
    assert_eq!(records.session(&session_id("fp1")).await.unwrap().unwrap().driver, vehicle("NOR"));
    assert_eq!(records.frames(&vehicle("NOR"), None, ALL).await.unwrap().entries, [newest.clone(), frame("f1", None, 1)]);
    assert_eq!(records.frames(&vehicle("NOR"), Some(&session_id("fp1")), ALL).await.unwrap().entries, [newest]);

    let feedback = Feedback {
        id: id("a1"),
        driver: vehicle("LEC"),
        session: Some(session_id("fp2")),
        source: "coach".to_owned(),
        telemetry: r#"{"speed":"\u0000 is escaped"}"#.to_owned(),
        feedback: r#"{"text":"brake later"}"#.to_owned(),
        created_at: at(3),
    };
    records.create_feedback(feedback.clone()).await.unwrap();
    assert_eq!(records.feedback(&vehicle("LEC"), None, ALL).await.unwrap().entries, [feedback]);
    assert_eq!(records.feedback(&vehicle("LEC"), Some(&session_id("fp1")), ALL).await.unwrap().total, 0);
}

async fn clips_give_way_to_newer_ones(records: &dyn Records) {
    let clip = VoiceClip {
        key: "k".repeat(64),
        engine: "espeak-ng".to_owned(),
        voice: "en".to_owned(),
        text: "box, box".to_owned(),
        content_type: "audio/wav".to_owned(),
        bytes: 10,
        created_at: at(0),
    };
    records.put_clip(clip.clone()).await.unwrap();
    let newer = VoiceClip { bytes: 12, created_at: at(9), ..clip };
    records.put_clip(newer.clone()).await.unwrap();
    assert_eq!(records.clip(&newer.key).await.unwrap(), Some(newer));
    assert_eq!(records.clip("unknown").await.unwrap(), None);
}

#[tokio::test]
async fn sqlite_keeps_the_ports_promises_and_what_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/yet/there/slipstream.db");
    let records = SqlRecords::sqlite(&path).await.unwrap();
    suite(&records).await;
    records.close().await;
    assert!(records.ping().await.unwrap_err().is_retryable());

    let reopened = SqlRecords::sqlite(&path).await.unwrap();
    assert!(reopened.session(&session_id("s1")).await.unwrap().is_some(), "kept over a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_ports_promises_and_says_when_it_is_away() {
    let Some(server) = Postgres::start() else { return };
    let records = SqlRecords::postgres(&server.url()).await.unwrap();
    suite(&records).await;
    let beside = SqlRecords::postgres(&server.url()).await.unwrap();
    assert!(beside.session(&session_id("s1")).await.unwrap().is_some(), "a second gateway sees the same");
    drop(server);
    let away = records.session(&session_id("s1")).await.unwrap_err();
    assert!(away.is_retryable(), "{away}");
}

#[tokio::test]
async fn an_unknown_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = slipstream_gateway::records::open(Some("mysql://here"), folder.path()).await.err().unwrap();
    assert!(refused.to_string().contains("DATABASE_URL"), "{refused}");
}
