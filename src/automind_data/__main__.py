"""`python -m automind_data` is `automind-data`."""

from automind_data.common.command import main

if __name__ == "__main__":
    main()
