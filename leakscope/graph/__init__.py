"""The object graph in columns; knows no file, process or screen."""
