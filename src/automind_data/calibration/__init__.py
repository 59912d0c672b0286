"""Can a density estimator be trusted? Checks on simulations that it was not trained on.

`rows` reads simulations, `measure` draws from a posterior and counts, `judge` says
what the counts mean, `tables` lays them out to be plotted, `run` does all of it.
`controls` are posteriors that are wrong in a known way.
"""
