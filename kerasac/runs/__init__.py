"""Run steps over folds and seeds on Ray, and track them in MLflow."""
