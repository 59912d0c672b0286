"""Training a density estimator from tables of simulations."""
