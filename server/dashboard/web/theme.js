// Before the first paint, so that nothing flashes: the theme somebody chose here, else that of the system.
(() => {
  const KEY = 'kyanite.theme';
  const root = document.documentElement;
  const read = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };
  const show = (choice) => {
    if (choice === 'light' || choice === 'dark') root.dataset.theme = choice;
    else delete root.dataset.theme;
    root.dispatchEvent(new Event('kyanite-theme'));
  };
  show(read());
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => show(read()));
  window.kyaniteTheme = {
    get: () => read() ?? 'system',
    set(choice) {
      try {
        if (choice === 'system') localStorage.removeItem(KEY);
        else localStorage.setItem(KEY, choice);
      } catch {
        // It lasts as long as the page.
      }
      show(choice);
    },
  };
})();
