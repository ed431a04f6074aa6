"""`python -m exprc` is `exprc`."""

from exprc.cli.main import main

if __name__ == "__main__":
    main()
