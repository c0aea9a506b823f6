// Where things of the agents are.

/** The path of an agent, or of a part of it. */
export function agentPath(id, part = '') {
  return `/api/rl/agents/${encodeURIComponent(id)}${part && `/${part}`}`;
}
