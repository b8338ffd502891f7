"""Commands: flags made from specs, messages, exit statuses."""
