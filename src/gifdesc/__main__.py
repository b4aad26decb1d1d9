"""`python -m gifdesc`: the same as the `gifdesc` command."""

from gifdesc.cli import main

if __name__ == "__main__":
    main()
