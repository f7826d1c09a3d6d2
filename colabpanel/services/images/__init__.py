"""Pictures made to be looked at: of files, folders, archives, and of the notebook's variables."""
