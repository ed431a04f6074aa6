"""The command line: arguments in, exit code out.  The only room that prints, reads programs and leaves the process."""
