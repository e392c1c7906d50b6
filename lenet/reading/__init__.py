"""Read digits in photographs and scans."""
