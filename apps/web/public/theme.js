// Sets the chosen theme before anything is drawn; without a choice the system's stands.
try {
  const theme = localStorage.getItem('jora-theme')
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme
} catch {
  // Storage is switched off: the system's theme stands.
}
