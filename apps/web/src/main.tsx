// Starts the page.
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './styles/tokens.css'
import './styles/base.css'
import './styles/layout.css'
import './styles/controls.css'
import './styles/parts.css'
import './styles/home.css'
import './styles/cards.css'
import './styles/new-run.css'
import './styles/tokens-text.css'
import './styles/devices.css'
import './styles/run.css'
import './styles/compare.css'
import './styles/playground.css'
import './styles/learn.css'
import { App } from './app'

createRoot(document.getElementById('page')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
