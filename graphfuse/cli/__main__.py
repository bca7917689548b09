"""``python -m graphfuse.cli``."""

from graphfuse.cli import main

if __name__ == "__main__":
    main()
