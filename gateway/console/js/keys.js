// The keyboard.

/** Calls `actions[name]` for single keys, where the viewer is not typing and no dialog is open. */
export function listenToKeys(actions) {
  const keys = {
    j: actions.next,
    ArrowDown: actions.next,
    k: actions.previous,
    ArrowUp: actions.previous,
    ' ': actions.toggle,
    p: actions.pause,
    s: actions.signals,
    t: actions.theme,
    '?': actions.help,
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const open = document.querySelector('dialog[open]');
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (open) {
      if (open.dataset.key === key) {
        open.close();
        event.preventDefault();
      }
      return;
    }
    if (target.matches('input:not([type=checkbox]), select, textarea')) return;
    if (key === ' ' && target.matches('button, a, summary, input')) return; // Space is theirs.
    const action = keys[key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
