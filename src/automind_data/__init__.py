"""The versioned data repository of AutoMIND: tables, density estimators, samples."""
