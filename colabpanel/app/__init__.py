"""The standalone dashboard: a packaged notebook, served by Voila in this process."""
