"""Programs that nobody vouches for, apart from all else; `pick` finds what can keep them apart here."""
