// Where the server is: a proxy may put it below a path of its own, which only the browser knows.

const ROOT = new URL('../../', import.meta.url);

/** The address of one of the server's paths, as `/api/status`. */
export function addressOf(path) {
  return new URL(path.replace(/^\//, ''), ROOT);
}
