"""Files that are whole or not there, on disk or in a bucket; the home folder, and the files of steps."""
