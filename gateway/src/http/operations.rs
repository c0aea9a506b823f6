//! Every REST operation there is, one row each: what the OpenAPI document is made from.

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone.
    Open,
    /// Anyone with a token.
    Token,
    /// Roles admin and engineer.
    Manager,
    /// Role admin.
    Admin,
}

/// A field of a body or a parameter of a query: name (`?`: optional), type, meaning.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: Access,
    /// Fields of the JSON body; empty where there is none.
    pub(super) body: &'static [Field],
    pub(super) query: &'static [Field],
    /// Status of the good answer.
    pub(super) status: &'static str,
    /// Content type of the good answer; JSON ones come in the envelope.
    pub(super) content: &'static str,
}

/// The operation of `method` at the path template `path`.
pub(super) fn find(method: &http::Method, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.path == path && method.as_str().eq_ignore_ascii_case(operation.method))
}

const JSON: &str = "application/json";

const fn get(path: &'static str, tag: &'static str, access: Access, summary: &'static str, query: &'static [Field]) -> Operation {
    Operation { method: "get", path, tag, summary, access, body: &[], query, status: "200", content: JSON }
}

const fn post(path: &'static str, tag: &'static str, access: Access, summary: &'static str, body: &'static [Field]) -> Operation {
    Operation { method: "post", path, tag, summary, access, body, query: &[], status: "201", content: JSON }
}

const fn ok(mut operation: Operation) -> Operation {
    operation.status = "200";
    operation
}

const fn put(path: &'static str, tag: &'static str, summary: &'static str, body: &'static [Field]) -> Operation {
    Operation { method: "put", path, tag, summary, access: Access::Manager, body, query: &[], status: "200", content: JSON }
}

const fn content(content: &'static str, mut operation: Operation) -> Operation {
    operation.content = content;
    operation
}

const PAGE: &[Field] = &[("page?", "integer", "page number, from 1"), ("per_page?", "integer", "entries a page")];

const PIPELINE: &[Field] = &[
    ("name", "id", "what it is called; its channel is pipeline:<name>"),
    ("description?", "string", "what it is for"),
    ("source?", "object", "vehicles, fleet, session, signals, key"),
    ("time?", "object", "delay, idle, every, allowed_lateness"),
    ("steps?", "array", "operators with their fields, in order"),
    ("outputs?", "object", "channel, per_key, early, late, series, alerts"),
];

/// Every operation, in the order the page shows them.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/health", "server", Access::Open, "Health: what restarted and why, stores, journal", &[]),
    get("/api/health", "server", Access::Open, "The same as /health", &[]),
    get("/api/status", "server", Access::Token, "The server's state and who the caller is", &[]),
    content("application/openmetrics-text", get("/metrics", "server", Access::Token, "Metrics for Prometheus", &[])),
    content(JSON, get("/openapi.json", "server", Access::Open, "This document", &[])),
    content(JSON, get("/asyncapi.json", "server", Access::Open, "The contract of the WebSocket at /ws", &[])),
    post(
        "/api/telemetry",
        "telemetry",
        Access::Token,
        "Store and broadcast one sample, or a batch of objects with these fields; durable before the answer",
        &[
            ("driverId?", "id", "whose sample (alias vehicleId)"),
            ("sessionId?", "id", "in which session"),
            ("fleetId?", "id", "for which fleet"),
            ("timestamp?", "time", "source time; the time of arrival where absent"),
            ("data?", "object", "numbers, booleans and strings become signals; nested ones flatten to dotted names"),
            ("batch?", "array", "several samples instead of one"),
        ],
    ),
    get(
        "/api/telemetry/{id}",
        "telemetry",
        Access::Token,
        "A vehicle's series",
        &[
            ("from?", "string", "RFC 3339 or relative to now, as in -15m; the beginning where absent"),
            ("to?", "string", "as from; now where absent"),
            ("signals?", "string", "comma-separated names; all where absent"),
            ("window?", "string", "length of the aggregation windows, as in 100ms, 1s or 1m; raw points where absent"),
            (
                "aggregate?",
                "string",
                "mean (of directions such as heading_deg as directions), min, max, sum, count, first, last or circular_mean",
            ),
            ("session?", "id", "only of this session"),
            ("limit?", "integer", "most points in the answer"),
        ],
    ),
    get("/api/telemetry/{id}/latest", "telemetry", Access::Token, "A vehicle's newest state, by source time", &[]),
    get("/api/vehicles", "telemetry", Access::Token, "Vehicles heard of", &[]),
    get(
        "/api/channels/{channel}/history",
        "telemetry",
        Access::Token,
        "What a channel remembers",
        &[("since?", "string", "epoch:offset last heard"), ("limit?", "integer", "most publications in the answer")],
    ),
    get("/api/pipelines", "pipelines", Access::Token, "Declared pipelines and what they do", &[]),
    post("/api/pipelines", "pipelines", Access::Manager, "Declare a pipeline, in JSON or TOML, and start it", PIPELINE),
    get("/api/pipelines/{name}", "pipelines", Access::Token, "A pipeline and its description", &[]),
    put("/api/pipelines/{name}", "pipelines", "Declare a pipeline in place of the one of this name", PIPELINE),
    Operation {
        method: "delete",
        status: "200",
        ..get("/api/pipelines/{name}", "pipelines", Access::Manager, "Remove a pipeline; what it stored stays", &[])
    },
    get("/api/pipelines/{name}/stats", "pipelines", Access::Token, "Rows in and out, late, dropped, state, times and lag, per step", &[]),
    ok(post("/api/pipelines/{name}/pause", "pipelines", Access::Manager, "Let a pipeline stand still; what comes meanwhile waits", &[])),
    ok(post("/api/pipelines/{name}/resume", "pipelines", Access::Manager, "Let it go on from where it stood", &[])),
    ok(post(
        "/api/pipelines/{name}/steps/{step}/commands",
        "pipelines",
        Access::Manager,
        "Tell a running step something, as an alarm that it is acknowledged",
        &[("command", "string", "what to do; the step says which there are")],
    )),
    get(
        "/api/alarms",
        "pipelines",
        Access::Token,
        "Alarms that pipelines raised, the newest first",
        &[
            ("open?", "boolean", "those still raised, or those cleared"),
            ("acknowledged?", "boolean", "those somebody has seen, or nobody"),
            ("vehicle?", "id", "of this vehicle"),
            ("pipeline?", "id", "of this pipeline"),
            ("severity?", "string", "info, warning or critical"),
            ("page?", "integer", "page number, from 1"),
            ("per_page?", "integer", "entries a page"),
        ],
    ),
    get("/api/alarms/{id}", "pipelines", Access::Token, "An alarm and its life", &[]),
    ok(post(
        "/api/alarms/{id}/acknowledge",
        "pipelines",
        Access::Token,
        "Say that the alarm has been seen: it escalates no further; for managers and who may publish for the vehicle",
        &[("note?", "string", "what is done about it")],
    )),
    post(
        "/api/video",
        "video",
        Access::Token,
        "Store and announce a video frame",
        &[
            ("driverId", "id", "whose camera"),
            ("sessionId", "id", "in which session"),
            ("timestamp", "time", "when it was taken"),
            ("frameData", "string", "JPEG, PNG, WebP or GIF in base64, with or without a data: prefix"),
        ],
    ),
    get("/api/video", "video", Access::Token, "A driver's frames", &[("driverId", "id", "whose"), ("sessionId?", "id", "of this session")]),
    content("image/*", get("/api/video/{id}", "video", Access::Token, "A frame's image", &[])),
    post(
        "/api/ai/feedback",
        "coaching",
        Access::Token,
        "Ask the coach; the answer is stored and broadcast on ai:<driverId>",
        &[
            ("driverId", "id", "whom to coach"),
            ("sessionId", "id", "in which session"),
            ("telemetryData", "object", "what the AI agent is told"),
        ],
    ),
    get("/api/ai/feedback", "coaching", Access::Token, "Feedback given before", &[("driverId", "id", "to whom")]),
    content(
        "audio/*",
        ok(post(
            "/api/voice/synthesize",
            "coaching",
            Access::Token,
            "Speak a text",
            &[("text", "string", "what to say"), ("voiceId?", "string", "in which voice")],
        )),
    ),
    post(
        "/api/sessions",
        "sessions",
        Access::Token,
        "Open a session",
        &[("driverId", "id", "whose"), ("name", "string", "what it is called"), ("trackId?", "id", "where")],
    ),
    get("/api/sessions", "sessions", Access::Token, "Sessions", PAGE),
    get("/api/sessions/{id}", "sessions", Access::Token, "The session of this id, or the sessions of the driver of this id", &[]),
    get("/api/sessions/{id}/metrics", "sessions", Access::Token, "A live session's numbers and leaderboard", &[]),
    post(
        "/api/auth/register",
        "people",
        Access::Open,
        "Register as viewer, or as an invitation says, where auth.registration lets one; on this machine the very first becomes admin",
        &[
            ("email", "string", "login name"),
            ("password", "string", "kept as an argon2 hash"),
            ("name?", "string", "for people"),
            ("invite?", "string", "the one-time code of an invitation"),
        ],
    ),
    post(
        "/api/auth/setup",
        "people",
        Access::Open,
        "Become the first admin, by the one-time code that the log shows while there is none",
        &[
            ("code", "string", "what follows # in the link"),
            ("email", "string", "login name"),
            ("password", "string", "kept as an argon2 hash"),
            ("name?", "string", "for people"),
        ],
    ),
    post(
        "/api/invites",
        "people",
        Access::Admin,
        "Make a one-time code by which someone registers",
        &[
            ("role?", "string", "what the user will be; viewer where absent"),
            ("driverId?", "id", "the id a driver drives as"),
            ("ttl?", "string", "how long it works, as in 12h; 7d where absent"),
        ],
    ),
    get("/api/invites", "people", Access::Admin, "Invitations not used yet", PAGE),
    Operation { method: "delete", status: "200", ..get("/api/invites/{id}", "people", Access::Admin, "Take an invitation back", &[]) },
    ok(post(
        "/api/tokens/revoke",
        "people",
        Access::Token,
        "Revoke a token, by itself, its id or its subject; its connections are closed; those of others only as admin",
        &[
            ("token?", "string", "the token"),
            ("jti?", "string", "a token's id"),
            ("subject?", "string", "all tokens of this subject issued until now"),
        ],
    )),
    ok(post("/api/auth/login", "people", Access::Open, "Log in; answers a token", &[("email", "string", ""), ("password", "string", "")])),
    get("/api/auth/me", "people", Access::Token, "What the caller's token says", &[]),
    post(
        "/api/users",
        "people",
        Access::Admin,
        "Let someone in",
        &[
            ("email", "string", "login name"),
            ("password", "string", "at first"),
            ("role", "string", "admin, engineer, driver, viewer or relay"),
            ("name?", "string", "for people"),
            ("driverId?", "id", "the id a driver drives as"),
        ],
    ),
    get("/api/users", "people", Access::Admin, "Users", PAGE),
    Operation {
        access: Access::Admin,
        ..put(
            "/api/users/{id}",
            "people",
            "Change a user; its tokens are revoked",
            &[
                ("role?", "string", "admin, engineer, driver, viewer or relay"),
                ("password?", "string", "a new one"),
                ("name?", "string", "for people"),
                ("driverId?", "id", "the id a driver drives as"),
            ],
        )
    },
    Operation {
        method: "delete",
        status: "200",
        ..get("/api/users/{id}", "people", Access::Admin, "Remove a user, its tokens and the API keys it made", &[])
    },
    post(
        "/api/keys",
        "people",
        Access::Manager,
        "Make an API key, of at most one's own rights and life",
        &[
            ("name", "string", "what it is for"),
            ("role", "string", "what it may"),
            ("channels?", "array", "channels it may hear; all where absent"),
            ("publish?", "array", "ids it may publish for"),
            ("expiresAt?", "time", "when it ends; where absent never for an admin's, with the own token for an engineer's"),
        ],
    ),
    get("/api/keys", "people", Access::Manager, "API keys: an admin's sees all, others their own", PAGE),
    Operation {
        method: "delete",
        status: "200",
        ..get("/api/keys/{id}", "people", Access::Manager, "Take an API key back; its connections are closed", &[])
    },
    post(
        "/api/replays",
        "replays",
        Access::Manager,
        "Play a period of the journal, or a file of the folder 'recordings' under DATA_DIR, again, as vehicles '<replay>.<vehicle>'",
        &[
            ("file?", "string", "a file of the folder; the journal where absent"),
            ("source?", "string", "journal or series: what the journal still keeps, or what the time series have"),
            ("from?", "time", "not before this source time"),
            ("to?", "time", "before this source time"),
            ("vehicles?", "array", "vehicle ids, with * and ?"),
            ("speed?", "number", "so many times as fast as recorded"),
        ],
    ),
    get("/api/replays", "replays", Access::Manager, "Replays, the newest first", &[]),
    get("/api/replays/{id}", "replays", Access::Manager, "How far a replay is", &[]),
    put(
        "/api/replays/{id}",
        "replays",
        "Pause a replay, let it go on, change its speed, or seek",
        &[
            ("paused?", "boolean", "whether to wait"),
            ("speed?", "number", "so many times as fast as recorded"),
            ("position?", "time", "where to go on, in source time"),
        ],
    ),
    Operation { method: "delete", status: "200", ..get("/api/replays/{id}", "replays", Access::Manager, "End a replay", &[]) },
    post(
        "/api/what-ifs",
        "replays",
        Access::Manager,
        "Run a pipeline over recorded samples, and lay what it gives beside what is stored",
        &[
            ("pipeline", "object", "the description, or the text of its file"),
            ("source?", "string", "journal or series"),
            ("file?", "string", "a file of the folder 'recordings'"),
            ("from?", "time", "not before this source time"),
            ("to?", "time", "before this source time"),
            ("vehicles?", "array", "vehicle ids, with * and ?"),
            ("compare?", "id", "below which prefix the stored results are; where the description says, if absent"),
        ],
    ),
    get(
        "/api/what-ifs/{id}",
        "replays",
        Access::Manager,
        "What it gives, and the difference to what is stored",
        &[("offset?", "integer", "results to pass over"), ("limit?", "integer", "most results in the answer")],
    ),
    Operation { method: "delete", status: "200", ..get("/api/what-ifs/{id}", "replays", Access::Manager, "End it", &[]) },
    get("/api/drivers", "drivers", Access::Token, "Drivers", PAGE),
    get("/api/drivers/{id}", "drivers", Access::Token, "A driver", &[]),
    put("/api/drivers/{id}", "drivers", "Write a driver down", &[("name", "string", ""), ("teamId?", "id", "")]),
    get("/api/teams", "drivers", Access::Token, "Teams", PAGE),
    put("/api/teams/{id}", "drivers", "Write a team down", &[("name", "string", "")]),
    get("/api/tracks", "drivers", Access::Token, "Tracks", PAGE),
    get("/api/tracks/{id}", "drivers", Access::Token, "A track", &[]),
    put("/api/tracks/{id}", "drivers", "Write a track down", &[("name", "string", ""), ("lengthM?", "number", "metres")]),
    get("/api/models", "rl", Access::Token, "Models at hand, and the one loaded", &[]),
    ok(post(
        "/api/load-model",
        "rl",
        Access::Manager,
        "Load the bus's model; makes the bus where there is none yet",
        &[("algorithm", "string", "DQN, PPO, A2C or REINFORCE")],
    )),
    ok(post(
        "/api/step",
        "rl",
        Access::Manager,
        "One step of the bus",
        &[("action?", "integer", "0 to 4; the model decides where absent")],
    )),
    ok(post("/api/reset", "rl", Access::Manager, "Put the bus back to a beginning", &[])),
    get("/api/environment-info", "rl", Access::Token, "The bus's environment", &[]),
    get("/api/current-state", "rl", Access::Token, "Where the bus stands", &[]),
    get("/api/episode-data", "rl", Access::Token, "The steps of the bus's episode so far", &[]),
    get("/api/ws-status", "rl", Access::Token, "Socket.IO clients connected now", &[]),
    get("/api/rl/agents", "rl", Access::Token, "Agents", &[]),
    post(
        "/api/rl/agents",
        "rl",
        Access::Manager,
        "Make an agent",
        &[("id", "id", "its name"), ("environment", "string", "daladala or avoidance"), ("seed?", "integer", "names its episodes")],
    ),
    get("/api/rl/agents/{id}", "rl", Access::Token, "Where an agent stands", &[]),
    Operation { method: "delete", ..get("/api/rl/agents/{id}", "rl", Access::Manager, "Remove an agent", &[]) },
    ok(post("/api/rl/agents/{id}/episodes", "rl", Access::Manager, "Begin an episode", &[("seed?", "integer", "which")])),
    ok(post(
        "/api/rl/agents/{id}/steps",
        "rl",
        Access::Manager,
        "Take steps; an episode's end ends them",
        &[("action?", "integer", "the policy decides where absent"), ("count?", "integer", "1 to 1000; 1 where absent")],
    )),
    ok(post(
        "/api/rl/agents/{id}/reset",
        "rl",
        Access::Manager,
        "Put the environment back to a beginning",
        &[("seed?", "integer", "which")],
    )),
    put(
        "/api/rl/agents/{id}/policy",
        "rl",
        "Play another policy from the next step on; none where both are absent",
        &[("model?", "string", "a file of the models' folder, or built-in"), ("file?", "string", "the file itself, base64")],
    ),
    put(
        "/api/rl/agents/{id}/shadow",
        "rl",
        "Let another policy look on; where it differs is published",
        &[("model?", "string", "as for policy"), ("file?", "string", "as for policy")],
    ),
    put(
        "/api/rl/agents/{id}/shield",
        "rl",
        "Forbid actions where conditions hold; no rules: no shield",
        &[("rules", "array", "name, when [{observation, above, below}], forbid [action names]")],
    ),
    put(
        "/api/rl/agents/{id}/play",
        "rl",
        "Play by itself, or no longer",
        &[("every_ms?", "integer", "pause between two steps; it plays no longer where absent")],
    ),
    put(
        "/api/rl/agents/{id}/vehicle",
        "rl",
        "Advise a live vehicle on ai:<vehicle>, or none",
        &[
            ("vehicle?", "id", "the vehicle; advised no longer where absent"),
            ("leader?", "id", "the vehicle in front; the one its samples name, or the nearest ahead, where absent"),
            ("road?", "string", "residential, city, rural or motorway, where the samples do not tell"),
            ("weather?", "string", "clear, rain, fog, snow or ice, where the samples do not tell"),
            ("attention?", "number", "of the driver, 0 to 1"),
            ("every_ms?", "integer", "the same advice is not repeated sooner; 100 where absent"),
        ],
    ),
    post(
        "/api/rl/agents/{id}/training",
        "rl",
        Access::Manager,
        "Learn a policy for an agent while it lives on; told on rl:<id> and as time series",
        &[
            ("algorithm?", "string", "dqn (where absent), q-table or fitted-q"),
            ("learner?", "object", "settings of the algorithm, in place of those that suit the environment"),
            ("seed?", "integer", "everything random follows from it; 1 where absent"),
            ("steps?", "integer", "at most; what suits the environment where absent"),
            ("until?", "number", "end sooner, once an evaluation's mean return is this"),
            ("evaluate_every?", "integer", "steps between two evaluations"),
            ("episodes?", "integer", "episodes of an evaluation, 1 to 2000"),
            ("deploy?", "boolean", "whether the agent plays the policy as soon as it is there"),
            ("resume?", "boolean", "go on with the training before; algorithm, learner and seed are its own"),
        ],
    ),
    get("/api/rl/agents/{id}/training", "rl", Access::Token, "Where an agent's training stands, its curves, and what came of it", &[]),
    Operation {
        method: "delete",
        ..get("/api/rl/agents/{id}/training", "rl", Access::Manager, "Stop an agent's training; what it learnt is kept", &[])
    },
    post(
        "/api/rl/evaluations",
        "rl",
        Access::Manager,
        "Compare policies over the same seeded episodes, at most 30 s",
        &[
            ("policies", "array", "1 to 8: files of the models' folder, built-in, random, rules, agent:<id>"),
            ("environment?", "string", "daladala where absent"),
            ("episodes?", "integer", "of each, 1 to 10000; 500 where absent"),
            ("seed?", "integer", "names the episodes; 1 where absent"),
        ],
    ),
    get("/api/rl/evaluations", "rl", Access::Token, "The newest comparisons", &[]),
    get(
        "/api/rl/trainings",
        "rl",
        Access::Token,
        "All trainings, and how many may run at once",
        &[("agent?", "id", "only this agent's, with its curves")],
    ),
];
