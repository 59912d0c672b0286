"""Reading legacy pickles without running anything that stands in them.

`reader` turns the bytes into an inert tree, `names` says which names may stand
in it, `values` turns parts of the tree into tensors, arrays and quantities.
"""
