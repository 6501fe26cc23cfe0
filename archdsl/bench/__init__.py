"""What components with kernels take: time and memory, measured, and bytes moved, computed."""
