// The token: from the address once, then from this tab's session storage.

const KEY = 'slipstream.token';

/** Takes `?token=` out of the address bar (so it is not copied around) and remembers it for this tab. */
export function takeToken() {
  const address = new URL(location.href);
  const given = address.searchParams.get('token');
  if (given !== null) {
    address.searchParams.delete('token');
    history.replaceState(null, '', address);
    rememberToken(given);
    return given;
  }
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

/** Keeps the token for this tab. */
export function rememberToken(token) {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Without storage the token lives as long as the page.
  }
}

/** What the token says about itself; `{}` where it cannot be read. The server alone decides what holds. */
export function claims(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(atob(body)) ?? {};
  } catch {
    return {};
  }
}
