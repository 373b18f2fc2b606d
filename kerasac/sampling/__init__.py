"""Turn candidates into seeded plans, and plans into batches of windows."""
