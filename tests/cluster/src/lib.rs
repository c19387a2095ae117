//! A real Kubernetes cluster for development, demo and tests.
