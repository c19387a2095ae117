//! Holds a pod's sandbox: the process whose namespaces the pod's containers join.
//!
//! It does nothing until it is killed. containerd ends a sandbox with SIGKILL, so no signal has to be handled.

fn main() {
    loop {
        std::thread::park();
    }
}
