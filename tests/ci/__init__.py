"""The recipes for CI servers: valid by the servers' own schemas, and their shell steps do what they say."""
