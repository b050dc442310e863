"""`python -m soundmill` is the `soundmill` command."""

from soundmill.cli import main

if __name__ == "__main__":
    main()
