"""Whether tasks can be loaded, without their documents."""
