// The keyboard.

/** Calls `actions[key]` for single keys, where the viewer is not typing and no dialog is open. */
export function listenToKeys(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const open = document.querySelector('dialog[open]');
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (open) {
      if (open.dataset.key === key && !target.matches('input:not([type=checkbox]), select, textarea')) {
        open.close();
        event.preventDefault();
      }
      return;
    }
    if (target.matches('input:not([type=checkbox]), select, textarea')) return;
    if (key === ' ' && target.matches('button, a, summary, input')) return; // Space is theirs.
    const action = actions[key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
