"""``python -m harness`` is ``stormproof``."""

from harness.cli import main

if __name__ == "__main__":
    main()
