"""Filters to begin with: `python3 -m anabranch new my-filter --template tracker`."""
