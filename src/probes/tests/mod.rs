//! Probes against real listeners.
