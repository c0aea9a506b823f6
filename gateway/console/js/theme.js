// Light or dark, decided before the first paint: a classic script in the page's head.
(() => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const stored = () => {
    try {
      return localStorage.getItem('slipstream.theme');
    } catch {
      return null; // Storage can be forbidden; the system's choice then stands.
    }
  };
  const apply = () => {
    root.dataset.theme = stored() ?? (system.matches ? 'dark' : 'light');
    document.dispatchEvent(new Event('themechange'));
  };
  system.addEventListener('change', apply);
  apply();
  window.toggleTheme = () => {
    const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem('slipstream.theme', next);
    } catch {
      root.dataset.theme = next;
    }
    apply();
  };
})();
