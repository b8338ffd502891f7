"""Documents to requests: templates, examples, formats and chats, images and sounds."""
