//! The proxy as its clients and targets see it.
