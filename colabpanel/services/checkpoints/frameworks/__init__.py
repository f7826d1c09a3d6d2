"""How the models of each framework are saved and restored; a framework is loaded only where its models are."""
