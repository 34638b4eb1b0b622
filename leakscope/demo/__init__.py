"""The bundled leaking service and its client: programs of their own, standard library only."""
