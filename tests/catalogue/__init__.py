"""The built-in rules against the real libraries: live targets, counted exactly."""
