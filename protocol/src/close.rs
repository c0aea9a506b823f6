//! WebSocket close codes: why a connection ends, and whether to come back.

/// Why the server closes a connection. Codes from 4000 are Slipstream's own (RFC 6455, 7.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The client asked, all is well.
    Normal,
    /// The server is draining: come back, it restarts.
    GoingAway,
    /// The client broke the WebSocket protocol itself.
    ProtocolError,
    /// The reason of a close frame is not UTF-8.
    InvalidText,
    /// The client closed with this code of its own, which is sent back (RFC 6455, 5.5.1).
    Echo(u16),
    /// A frame over the size limit.
    TooLarge,
    /// Too many refused frames in a row: fix the client first.
    TooManyErrors,
    /// The reader was too slow and asked to be told so (`on_slow: disconnect`): come back, with `since`.
    SlowConsumer,
    /// The token's or key's lifetime ended, or it was revoked: come back with a new one.
    TokenExpired,
    /// Nothing was heard for too long, not even a pong: come back.
    IdleTimeout,
    /// A fault of the server: come back.
    Internal,
}

impl CloseCode {
    /// Every code that the server chooses itself, for documents and tests.
    pub const ALL: [Self; 10] = [
        Self::Normal,
        Self::GoingAway,
        Self::ProtocolError,
        Self::TooLarge,
        Self::TooManyErrors,
        Self::SlowConsumer,
        Self::TokenExpired,
        Self::IdleTimeout,
        Self::Internal,
        Self::InvalidText,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::InvalidText => 1007,
            Self::Echo(code) => code,
            Self::TooLarge => 1009,
            Self::Internal => 1011,
            Self::TooManyErrors => 4000,
            Self::SlowConsumer => 4001,
            Self::TokenExpired => 4002,
            Self::IdleTimeout => 4003,
        }
    }

    /// The reason sent beside the number (at most 123 bytes).
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "bye",
            Self::Echo(_) => "",
            Self::InvalidText => "text that is not UTF-8",
            Self::GoingAway => "server is draining, reconnect",
            Self::ProtocolError => "WebSocket protocol broken",
            Self::TooLarge => "frame over the size limit",
            Self::Internal => "server fault, reconnect",
            Self::TooManyErrors => "too many refused frames, fix the client",
            Self::SlowConsumer => "reader too slow, reconnect with since",
            Self::TokenExpired => "token expired or revoked, reconnect with a new one",
            Self::IdleTimeout => "nothing heard for too long, reconnect",
        }
    }

    /// Whether a client should reconnect by itself.
    pub const fn should_reconnect(self) -> bool {
        matches!(self, Self::GoingAway | Self::SlowConsumer | Self::TokenExpired | Self::IdleTimeout | Self::Internal)
    }
}
