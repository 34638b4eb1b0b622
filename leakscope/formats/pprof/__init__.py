"""Go profiles: ``profile.proto`` of https://github.com/google/pprof, read without generated code."""
