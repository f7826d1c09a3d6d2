"""rclone, run as a server of its own on the loopback for as long as this process lives."""
