"""An experiment's settings, each defined once, and the YAML files that set them."""
