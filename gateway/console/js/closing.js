// Why a connection ended, in words, and whether to come back by oneself. Mirrors the server's close codes.

const CODES = {
  1000: { why: 'The server ended the connection', retry: false },
  1001: { why: 'The server is restarting', retry: true },
  1002: { why: 'The WebSocket protocol was broken', retry: false },
  1005: { why: 'The connection ended', retry: true },
  1006: { why: 'The connection was lost', retry: true },
  1009: { why: 'A frame was over the size limit', retry: false },
  1011: { why: 'The server had a fault', retry: true },
  4000: { why: 'The server refused too many frames of this page', retry: false },
  4001: { why: 'This page read too slowly', retry: true },
  4002: { why: 'The token expired or was revoked', retry: false, token: true },
  4003: { why: 'Nothing was heard for too long', retry: true },
};

/** `{why, retry, token}` for a close code; unknown codes are worth another attempt. */
export function closing(code) {
  return CODES[code] ?? { why: `The connection ended with code ${code}`, retry: true };
}
