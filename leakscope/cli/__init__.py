"""parse -> call -> render -> exit code; one file per command. Imported by no other room."""
