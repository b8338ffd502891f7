"""What is read out of responses before they are scored."""
