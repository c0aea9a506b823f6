// The page behind a one-time link: the first admin's, or an invitation's. The code is in the fragment, which is never sent.

import { rememberToken } from './token.js';

const INVITE = 'sli_';

/** The request that uses up a code. */
export function request(code, email, password) {
  return code.startsWith(INVITE)
    ? { path: '/api/auth/register', body: { invite: code, email, password } }
    : { path: '/api/auth/setup', body: { code, email, password } };
}

async function send(code, email, password) {
  const { path, body } = request(code, email, password);
  const answer = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), cache: 'no-store' });
  const envelope = await answer.json().catch(() => null);
  if (envelope?.success) return envelope.data.token;
  throw new Error([envelope?.error?.message ?? `The server answered ${answer.status}`, ...(envelope?.error?.details ?? [])].join(': '));
}

function start() {
  const code = location.hash.slice(1);
  // Out of the address bar: the code must not be copied around.
  history.replaceState(null, '', location.pathname);
  const by = (id) => document.getElementById(id);
  if (code.startsWith(INVITE)) {
    by('title').textContent = 'Register';
    by('lead').textContent = 'You were invited to this server. The link works once.';
  } else if (code === '') {
    by('lead').textContent = 'This page needs a link with a code: the log of a server without an admin shows one.';
    by('send').disabled = true;
  }
  by('setup').addEventListener('submit', async (event) => {
    event.preventDefault();
    by('send').disabled = true;
    by('error').textContent = '';
    try {
      rememberToken(await send(code, by('email').value, by('password').value));
      location.replace('/');
    } catch (error) {
      by('error').textContent = error instanceof TypeError ? 'The server cannot be reached' : error.message;
      by('send').disabled = false;
    }
  });
}

if (globalThis.document !== undefined) start();
